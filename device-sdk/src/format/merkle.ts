/**
 * The RFC 9162 Merkle tree (section 2.1): SHA-256, leaf prefix 00, node prefix 01, split at the largest power of two
 * below the size. Verification only; the log that builds trees lives with the ledger.
 */
import { demand } from '../errors.ts';
import { concat, equal } from './bytes.ts';

export type Sha256 = (bytes: Uint8Array) => Uint8Array;
export const HASH_BYTES = 32;

/** A path longer than this belongs to a tree of more than 2^53 leaves. */
export const PATH_MAX = 53;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  return sha256(concat(LEAF, entry));
}

export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(NODE, left, right));
}

/**
 * The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).
 * @param index 0-based; @param size number of leaves; @param path hashes from the leaf upwards.
 * @throws Refusal NO_RECEIPT when the proof does not fit index and size
 */
export function rootFromInclusion(
  sha256: Sha256,
  index: number,
  size: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
): Uint8Array {
  demand(isCount(index) && isCount(size) && index < size, 'NO_RECEIPT', `leaf ${index} is not in a tree of ${size}`);
  demand(leaf.length === HASH_BYTES, 'NO_RECEIPT', 'the leaf hash is malformed');
  let fn = index;
  let sn = size - 1;
  let root = leaf;
  for (const hash of path) {
    demand(hash.length === HASH_BYTES && sn > 0, 'NO_RECEIPT', 'the inclusion path is too long or malformed');
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(sha256, hash, root);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else root = nodeHash(sha256, root, hash);
    fn = half(fn);
    sn = half(sn);
  }
  demand(sn === 0, 'NO_RECEIPT', 'the inclusion path is too short');
  return root;
}

/**
 * Proves that the tree of `size1` leaves is the beginning of the tree of `size2` (RFC 9162 section 2.1.4.2).
 * @throws Refusal SPLIT_VIEW when it is not
 */
export function checkConsistency(
  sha256: Sha256,
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  path: readonly Uint8Array[],
): void {
  const fits =
    isCount(size1) && isCount(size2) && size1 > 0 && size1 <= size2 && path.every((h) => h.length === HASH_BYTES);
  demand(fits, 'SPLIT_VIEW', `no consistency proof is possible from ${size1} to ${size2}`);
  if (size1 === size2) {
    demand(path.length === 0 && equal(root1, root2), 'SPLIT_VIEW', 'two trees of one size have different roots');
    return;
  }
  const [first, ...rest] = isPowerOfTwo(size1) ? [root1, ...path] : path;
  demand(first && path.length > 0, 'SPLIT_VIEW', 'the consistency proof is empty');
  let fn = size1 - 1;
  let sn = size2 - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  let old = first;
  let now = first;
  for (const hash of rest) {
    demand(sn > 0, 'SPLIT_VIEW', 'the consistency proof is too long');
    if (fn % 2 === 1 || fn === sn) {
      old = nodeHash(sha256, hash, old);
      now = nodeHash(sha256, hash, now);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else now = nodeHash(sha256, now, hash);
    fn = half(fn);
    sn = half(sn);
  }
  const holds = sn === 0 && equal(old, root1) && equal(now, root2);
  demand(holds, 'SPLIT_VIEW', 'the consistency proof does not connect the two roots');
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

/** Halves counts beyond 32 bits too, where a shift would not. */
function half(n: number): number {
  return Math.floor(n / 2);
}

function isPowerOfTwo(n: number): boolean {
  let rest = n;
  while (rest > 1 && rest % 2 === 0) rest /= 2;
  return rest === 1;
}
