/** The release chain: every release names the one before it, and a device follows the names from what it runs. */
import { demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { readBlock1 } from '../format/envelope.ts';
import { leafHash } from '../format/merkle.ts';
import { ENTRIES_MAX } from '../format/requests.ts';
import type { Verifier } from '../ports.ts';
import type { Proven, Running } from './types.ts';

/** Which skipped entries must be fetched: none for a direct link, none beyond 16, where the index entry must do. */
export function entriesNeeded(p: Proven, running: Running): { leafHash: Uint8Array; count: number } | undefined {
  const skipped = p.manifest.sequence - running.sequence - 1;
  if (skipped < 1 || skipped > ENTRIES_MAX) return undefined;
  return { leafHash: p.envelope.block1.previousLeaf, count: skipped };
}

/**
 * @param entries skipped release leaves, newest first
 * @throws Refusal BAD_CHAIN, MALFORMED
 */
export function checkReleaseChain(
  verifier: Verifier,
  p: Proven,
  running: Running,
  entries: readonly Uint8Array[],
): void {
  const skipped = p.manifest.sequence - running.sequence - 1;
  // Not newer: the sequence rule refuses it with its own code. Too far: the index entry, already proven, stands alone.
  if (skipped < 0 || skipped > ENTRIES_MAX) return;
  demand(entries.length === skipped, 'BAD_CHAIN', `${entries.length} skipped releases shown, ${skipped} were skipped`);
  let expected = p.envelope.block1.previousLeaf;
  for (const entry of entries) {
    demand(equal(leafHash(verifier.sha256, entry), expected), 'BAD_CHAIN', 'a skipped release is not the one named');
    expected = readBlock1(entry).previousLeaf;
  }
  demand(equal(expected, running.releaseLeaf), 'BAD_CHAIN', 'the release chain does not reach the running release');
}
