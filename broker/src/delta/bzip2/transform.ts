/** The Burrows-Wheeler transform by way of a suffix array. */
import { suffixArray } from '../suffix-array.ts';

/**
 * The last column of the block's sorted rotations, and the row of the block itself. Suffixes sort like rotations when
 * the block is first turned to its least rotation: where one suffix begins another, the shorter one goes on with the
 * least of all rotations and therefore comes first either way.
 */
export function transform(block: Uint8Array): { column: Uint8Array; origin: number } {
  const n = block.length;
  const turn = leastRotation(block);
  const turned = new Uint8Array(n);
  turned.set(block.subarray(turn));
  turned.set(block.subarray(0, turn), n - turn);
  const order = suffixArray(turned);
  const column = new Uint8Array(n);
  const start = (n - turn) % n;
  let origin = 0;
  for (let row = 0; row < n; row++) {
    const at = order[row]!;
    if (at === start) origin = row;
    column[row] = turned[(at + n - 1) % n]!;
  }
  return { column, origin };
}

/** Two candidates walk along together; whichever loses a comparison moves behind the bytes that were equal. */
function leastRotation(block: Uint8Array): number {
  const n = block.length;
  let a = 0;
  let b = 1;
  let equal = 0;
  while (a < n && b < n && equal < n) {
    const left = block[(a + equal) % n]!;
    const right = block[(b + equal) % n]!;
    if (left === right) {
      equal++;
      continue;
    }
    if (left > right) a += equal + 1;
    else b += equal + 1;
    if (a === b) b++;
    equal = 0;
  }
  return Math.min(a, b);
}
