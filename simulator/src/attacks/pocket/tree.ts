/** The RFC 9162 tree by its definition (section 2.1), recursive and slow: the judge of quicker ones. */
import { leafHash, nodeHash, type Sha256 } from '@countersign/device-sdk/format';

export function rootOf(sha256: Sha256, leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array());
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return nodeHash(sha256, rootOf(sha256, leaves.slice(0, k)), rootOf(sha256, leaves.slice(k)));
}

export function inclusionPath(sha256: Sha256, leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  if (index < k) return [...inclusionPath(sha256, leaves.slice(0, k), index), rootOf(sha256, leaves.slice(k))];
  return [...inclusionPath(sha256, leaves.slice(k), index - k), rootOf(sha256, leaves.slice(0, k))];
}

export function consistencyPath(sha256: Sha256, leaves: readonly Uint8Array[], from: number): Uint8Array[] {
  return from === leaves.length ? [] : subproof(sha256, leaves, from, true);
}

function subproof(sha256: Sha256, leaves: readonly Uint8Array[], m: number, whole: boolean): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [rootOf(sha256, leaves)];
  const k = split(leaves.length);
  if (m <= k) return [...subproof(sha256, leaves.slice(0, k), m, whole), rootOf(sha256, leaves.slice(k))];
  return [...subproof(sha256, leaves.slice(k), m - k, false), rootOf(sha256, leaves.slice(0, k))];
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

export function leavesOf(sha256: Sha256, entries: readonly Uint8Array[]): Uint8Array[] {
  return entries.map((entry) => leafHash(sha256, entry));
}
