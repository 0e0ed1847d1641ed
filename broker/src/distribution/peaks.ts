/** What a path of consistency says of the tree that it begins with. */
import { demand } from '@countersign/device-sdk';

/**
 * The peaks of the smaller tree stand in a path of consistency: its first hash, and all that lie to the left of it. The one
 * peak of a power of two does not stand there, and what is given then is none.
 */
export function peaksIn(path: readonly Uint8Array[], from: number, size: number): Uint8Array[] {
  const [first, ...rest] = path;
  demand(first, 'NOT_FOUND', 'the ledger gives no path of consistency');
  const peaks = [first];
  let [fn, sn] = [from - 1, size - 1];
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  for (const hash of rest) {
    if (fn % 2 === 1 || fn === sn) {
      peaks.unshift(hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return peaks;
}

function half(n: number): number {
  return Math.floor(n / 2);
}
