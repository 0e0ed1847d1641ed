/** Where a flat image lies in the address space: the base at which moved pointers agree with moved code. */
import { AddressMap } from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';

const SAMPLES_MAX = 1500;
const STEP = 0x100;
/** Pointers of one image lie in one or two of these. */
const BUCKET_BITS = 20;
const BUCKETS_MAX = 3;
/** Agreeing pointers that make a base believable. */
const AGREEING_MIN = 8;

/** @returns undefined when no base explains the pointers */
export function findBase(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: readonly Copy[],
  bigEndian: boolean,
): number | undefined {
  const samples = movedWords(old, fresh, copies, bigEndian);
  const map = copyMap(copies);
  let best = { base: 0, agreeing: AGREEING_MIN - 1 };
  for (const bucket of popular(samples.map(({ word }) => word >>> BUCKET_BITS))) {
    const inside = samples.filter(({ word }) => word >>> BUCKET_BITS === bucket);
    const highest = inside.reduce((most, { word }) => Math.max(most, word), 0);
    const lowest = Math.max(0, highest - old.length + 1);
    for (let base = Math.ceil(lowest / STEP) * STEP; base <= highest; base += STEP) {
      let agreeing = 0;
      for (const { word, shift } of inside) {
        const place = word - base;
        if (place >= 0 && place < old.length && map.shiftAt(place) === shift) agreeing++;
      }
      if (agreeing > best.agreeing) best = { base, agreeing };
    }
  }
  return best.agreeing < AGREEING_MIN ? undefined : best.base;
}

/** Aligned words of the copies that differ by less than a megabyte, at most some of them. */
export function movedWords(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: readonly Copy[],
  bigEndian: boolean,
): { word: number; shift: number }[] {
  const before = new DataView(old.buffer, old.byteOffset, old.length);
  const after = new DataView(fresh.buffer, fresh.byteOffset, fresh.length);
  const found: { word: number; shift: number }[] = [];
  for (const { oldStart, newStart, length } of copies) {
    for (let i = -oldStart & 3; i + 4 <= length; i += 4) {
      const word = before.getUint32(oldStart + i, !bigEndian);
      const shift = after.getUint32(newStart + i, !bigEndian) - word;
      if (shift !== 0 && Math.abs(shift) < 1 << BUCKET_BITS) found.push({ word, shift });
    }
  }
  const step = Math.max(1, Math.floor(found.length / SAMPLES_MAX));
  return found.filter((_, i) => i % step === 0);
}

function popular(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, BUCKETS_MAX)
    .map(([value]) => value);
}

/** The copies as an address map; where two come from one place the later one counts. */
function copyMap(copies: readonly Copy[]): AddressMap {
  const sorted = [...copies].sort((a, b) => a.oldStart - b.oldStart);
  return new AddressMap(
    Uint32Array.from(sorted, ({ oldStart }) => oldStart),
    Int32Array.from(sorted, ({ newStart, oldStart }) => newStart - oldStart),
  );
}
