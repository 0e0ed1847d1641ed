/** The `issueKey` entries of implicit keys, as devices ask for them and as bundles carry them. */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  hex,
  nodeHash,
  readEnvelope,
  readReceipt,
  type Sha256,
  type TrustRoot,
  unhex,
} from '@countersign/device-sdk/format';
import { peakSizes } from '@countersign/device-sdk/host/bundle/growth';
import { type BundledIssue, implicitSigners } from '@countersign/device-sdk/host/bundle/issued';
import type { LedgerClient } from '../ledger/client.ts';
import type { IssuedKeyView } from '../ledger/contract/views.ts';
import { peaksIn } from './peaks.ts';

/** The entry of a key that the ledger has, and its leaf hash. @throws Refusal NOT_FOUND */
export async function issueOf(
  ledger: LedgerClient,
  thumbprint: Uint8Array,
): Promise<{ leaf: Uint8Array; entry: Uint8Array }> {
  const print = hex(thumbprint);
  const { points } = (await ledger.evaluate('getIssuedKey', print)) as IssuedKeyView;
  const leaf = unhex(points.find((point) => point.thumbprint === print)!.entry)!;
  return { leaf, entry: await ledger.entry(leaf) };
}

/**
 * The entries of the keys that signed a release, each proven into the tree of the announcement's own head.
 * @param envelope the announced one: block 2 may have been signed again by a later key
 * @param size of that head
 * @returns undefined where neither key is implicit
 */
export async function issuesUnder(
  { verifier, ledger }: { verifier: Verifier; ledger: LedgerClient },
  root: TrustRoot,
  envelope: Uint8Array,
  size: number,
): Promise<BundledIssue[] | undefined> {
  const prints = implicitSigners(verifier, root, readEnvelope(verifier.sha256, envelope));
  const issued: BundledIssue[] = [];
  for (const thumbprint of prints) {
    const { leaf, entry } = await issueOf(ledger, thumbprint);
    const { receipt } = await ledger.receipt(leaf);
    const { leafIndex, path, signed } = readReceipt(receipt);
    demand(leafIndex < size, 'NOT_CURRENT', 'a key was put on the record after the head that is announced');
    const { size: newest } = signed.fields;
    const consistency = newest === size ? [] : await ledger.consistency(size, newest);
    const earlier =
      newest === size ? path : pathAt(verifier.sha256, leafIndex, path, peaksIn(consistency, size, newest), size);
    issued.push({ thumbprint, entry, leafIndex, path: earlier });
  }
  return issued.length > 0 ? issued : undefined;
}

/**
 * The inclusion path of a leaf in an earlier tree of the same log, RFC 9162 section 2.1.3. The complete subtree around the
 * leaf is in both trees with the same path; what lies right of it are the earlier tree's own peaks, folded, and then come
 * those to the left, the nearest first.
 * @param path in any later tree
 * @param peaks of the earlier tree, the largest first
 */
export function pathAt(
  sha256: Sha256,
  leafIndex: number,
  path: readonly Uint8Array[],
  peaks: readonly Uint8Array[],
  size: number,
): Uint8Array[] {
  const sizes = peakSizes(size);
  const around = sizes.findIndex((peak) => leafIndex < peak.start + peak.size);
  const inside = path.slice(0, Math.log2(sizes[around]!.size));
  // A power of two has one peak, which a path of consistency does not name.
  if (sizes.length === 1) return inside;
  const right = peaks.slice(around + 1);
  const left = peaks.slice(0, around).reverse();
  if (right.length === 0) return [...inside, ...left];
  return [...inside, right.reduceRight((above, peak) => nodeHash(sha256, peak, above)), ...left];
}
