/** Is a head one of this very chain? Heads exist only behind blocks, so there is exactly one answer for each size. */
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import { equal, type Head, readHead } from '@countersign/device-sdk/format';
import { verifyHead } from '@countersign/device-sdk/verify';
import type { Inside } from '../embedded/source.ts';
import { headOf } from '../log/block.ts';

/**
 * Checks the log's signature over a head. A head under a trust root that this chain has not come to yet is left for
 * later; one under a root that was replaced is the past, and its key may be a thief's by now.
 * @returns undefined for one that cannot be judged
 * @throws Refusal BAD_HEAD, UNKNOWN_KEY, WRONG_ROLE, REVOKED, BAD_SIGNATURE, MALFORMED
 */
export function openHead(verifier: Verifier, inside: Inside, signed: Uint8Array, root: Uint8Array): Head | undefined {
  const current = inside.standing.point.root!;
  const read = readHead(signed);
  if (read.fields.rootVersion !== current.version) return undefined;
  return verifyHead(verifier, current, read, root);
}

/**
 * @returns false where the chain has not come so far
 * @throws Refusal SPLIT_VIEW where what stands at that size is another tree, index or trust root
 */
export async function isOnChain(inside: Inside, head: Head): Promise<boolean> {
  if (head.size > inside.standing.head.head.size) return false;
  const own = await ownHead(inside, head.size);
  const text = `two histories: the log signed another head of ${head.size} entries than the one that stands here`;
  demand(own && equal(own.root, head.root) && equal(own.indexRoot, head.indexRoot), 'SPLIT_VIEW', text);
  demand(own.rootVersion === head.rootVersion, 'SPLIT_VIEW', text);
  demand(head.time >= own.time, 'SPLIT_VIEW', `a head of ${head.size} entries that is older than its block`);
  return true;
}

/** What this chain's own block says at a size; undefined where no block ends there. */
async function ownHead({ reader }: Inside, size: number): Promise<Head | undefined> {
  try {
    const { header } = await reader.blockEnding(size);
    return header.treeSize === size ? headOf(header) : undefined;
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
