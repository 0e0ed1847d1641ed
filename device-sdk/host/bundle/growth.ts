/**
 * How a log has grown, from any size since a base up to the size of one head: the peaks of the base's tree and the hash
 * of every leaf since. From these any consistency path between can be made, whatever head a device stores.
 */
import { demand } from '../../src/errors.ts';
import { equal } from '../../src/format/bytes.ts';
import { HASH_BYTES, nodeHash, type Sha256 } from '../../src/format/merkle.ts';

/** 2 MB of hashes; a log that has grown by more since a base needs a later base. */
export const LEAVES_MAX = 65_536;
/** Peaks of a tree of less than 2^53 leaves. */
export const PEAKS_MAX = 53;

export interface Growth {
  /** Size of the base's tree. */
  from: number;
  /** Roots of its complete subtrees, the largest first: one for each bit of `from`. */
  peaks: readonly Uint8Array[];
  /** Hashes of the leaves from `from` on, one after another. */
  leaves: Uint8Array;
}

/** The size of the log at the end of it. */
export function sizeOf({ from, leaves }: Growth): number {
  return from + leaves.length / HASH_BYTES;
}

/** @throws Refusal MALFORMED */
export function checkGrowth({ from, peaks, leaves }: Growth): void {
  const whole = leaves.length % HASH_BYTES === 0 && leaves.length <= LEAVES_MAX * HASH_BYTES;
  const fits = peaks.length === peakSizes(from).length && peaks.every((peak) => peak.length === HASH_BYTES);
  demand(from >= 1 && whole && fits, 'MALFORMED', 'peaks and leaves are of no tree');
}

/** The root of the whole tree: what a head signs. */
export function rootOfGrowth(sha256: Sha256, growth: Growth): Uint8Array {
  return treeRoot(sha256, growth, 0, sizeOf(growth));
}

/** RFC 9162 section 2.1.4.1. @returns undefined where `from` is before the base or `to` is not the end */
export function growthPath(sha256: Sha256, growth: Growth, from: number, to: number): Uint8Array[] | undefined {
  if (from < growth.from || from >= to || to !== sizeOf(growth)) return undefined;
  const path: Uint8Array[] = [];
  let [start, end] = [0, to];
  let whole = true;
  while (from !== end) {
    const middle = start + leftSize(end - start);
    if (from <= middle) {
      path.push(treeRoot(sha256, growth, middle, end));
      end = middle;
    } else {
      path.push(treeRoot(sha256, growth, start, middle));
      start = middle;
      whole = false;
    }
  }
  if (!whole) path.push(treeRoot(sha256, growth, start, end));
  return path.reverse();
}

/** Where the peaks of a tree end, and how large they are. */
export function peakSizes(size: number): { start: number; size: number }[] {
  const found: { start: number; size: number }[] = [];
  for (let start = 0; start < size; ) {
    let part = 1;
    while (part * 2 <= size - start) part *= 2;
    found.push({ start, size: part });
    start += part;
  }
  return found;
}

/** The largest power of two below a size above 1. */
function leftSize(size: number): number {
  let part = 1;
  while (part * 2 < size) part *= 2;
  return part;
}

/** Root of the leaves from `start` to `end`, a range that the tree has. */
function treeRoot(sha256: Sha256, growth: Growth, start: number, end: number): Uint8Array {
  const { from, peaks, leaves } = growth;
  const peak = peakSizes(from).findIndex((item) => item.start === start && item.start + item.size === end);
  if (peak >= 0) return peaks[peak]!;
  if (end - start === 1) {
    demand(start >= from, 'NOT_FOUND', `leaf ${start} is before the base`);
    return leaves.subarray((start - from) * HASH_BYTES, (start - from + 1) * HASH_BYTES);
  }
  const middle = start + leftSize(end - start);
  return nodeHash(sha256, treeRoot(sha256, growth, start, middle), treeRoot(sha256, growth, middle, end));
}

/** For whoever makes a bundle: the peaks of a tree from all its leaves. */
export function peaksOf(sha256: Sha256, leaves: readonly Uint8Array[]): Uint8Array[] {
  const range = (start: number, end: number): Uint8Array => {
    if (end - start === 1) return leaves[start]!;
    const middle = start + leftSize(end - start);
    return nodeHash(sha256, range(start, middle), range(middle, end));
  };
  return peakSizes(leaves.length).map(({ start, size }) => range(start, start + size));
}

export function sameRoot(sha256: Sha256, growth: Growth, size: number, root: Uint8Array): boolean {
  return sizeOf(growth) === size && equal(rootOfGrowth(sha256, growth), root);
}
