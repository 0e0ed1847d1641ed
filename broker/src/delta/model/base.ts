/** Where a flat image lies in the address space: the base at which pointers have moved as the code under them has. */
import type { Copy } from '../align.ts';
import { CHOICES } from '../choices.ts';

/** Words that are looked at, of those that moved and of those that did not. */
const SAMPLES_MAX = 1500;
/** Images begin at multiples of this. */
const STEP_BITS = 8;
/** Pointers of one image lie in one or two pieces of the address space of this size. */
const BUCKET_BITS = 20;
const BUCKETS_MAX = 3;
/** Agreeing pointers that make a base believable. */
const AGREEING_MIN = 8;

interface Word {
  word: number;
  shift: number;
}

/**
 * Believable bases: by the words that moved, and by those together with the words that stand still. Small numbers and
 * pairs of instructions that look like pointers mislead each of them now and then, so a model is tried with every one.
 */
export function findBases(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[], bigEndian: boolean): number[] {
  const all = distinct(alignedWords(old, fresh, copies, bigEndian));
  const moved = sampled(all.filter(({ shift }) => shift !== 0));
  const places = placesByShift(old.length, copies);
  const found = popular(moved.map(({ word }) => word >>> BUCKET_BITS)).flatMap((bucket) => {
    const inside = (words: readonly Word[]) => words.filter(({ word }) => word >>> BUCKET_BITS === bucket);
    const still = sampled(inside(all.filter(({ shift }) => shift === 0)));
    const lists = [inside(moved), [...inside(moved), ...still]];
    return lists.map((words) => bestBase(bucket, old.length, words, places));
  });
  return [...new Set(found.filter(({ agreeing }) => agreeing >= AGREEING_MIN).map(({ base }) => base))];
}

/** Every word says which bases would let it point at a place that moved as it did: at which base do most agree? */
function bestBase(bucket: number, oldBytes: number, words: readonly Word[], places: Map<number, Interval[]>) {
  const first = Math.max(0, bucket * 2 ** BUCKET_BITS - oldBytes) >>> STEP_BITS;
  const last = ((bucket + 1) * 2 ** BUCKET_BITS - 1) >>> STEP_BITS;
  const changes = new Int32Array(last - first + 2);
  for (const { word, shift } of words) {
    for (const { start, end } of places.get(shift) ?? []) {
      const from = Math.max(first, Math.ceil((word - end + 1) / 2 ** STEP_BITS));
      const to = Math.min(last, Math.floor((word - start) / 2 ** STEP_BITS));
      if (from > to) continue;
      changes[from - first]!++;
      changes[to - first + 1]!--;
    }
  }
  return roundest(first, changes);
}

function roundest(first: number, changes: Int32Array): { base: number; agreeing: number } {
  const agreeing = new Int32Array(changes.length);
  let most = 0;
  for (let i = 0, sum = 0; i + 1 < changes.length; i++) {
    agreeing[i] = sum += changes[i]!;
    most = Math.max(most, sum);
  }
  let best = { base: 0, agreeing: 0, zeros: -1 };
  for (let i = 0; i < agreeing.length; i++) {
    const step = first + i;
    const zeros = step === 0 ? 32 : 31 - Math.clz32(step & -step);
    const better = zeros > best.zeros || (zeros === best.zeros && agreeing[i]! > best.agreeing);
    if (agreeing[i]! >= CHOICES.roundShare * most && better) {
      best = { base: step * 2 ** STEP_BITS, agreeing: agreeing[i]!, zeros };
    }
  }
  return best;
}

/** Aligned words of the copies that differ by less than a megabyte, at most some of them. */
export function movedWords(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[], bigEndian: boolean): Word[] {
  return sampled(alignedWords(old, fresh, copies, bigEndian).filter(({ shift }) => shift !== 0));
}

function alignedWords(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[], bigEndian: boolean): Word[] {
  const before = new DataView(old.buffer, old.byteOffset, old.length);
  const after = new DataView(fresh.buffer, fresh.byteOffset, fresh.length);
  const found: Word[] = [];
  for (const { oldStart, newStart, length } of copies) {
    for (let i = -oldStart & 3; i + 4 <= length; i += 4) {
      const word = before.getUint32(oldStart + i, !bigEndian);
      const shift = after.getUint32(newStart + i, !bigEndian) - word;
      if (Math.abs(shift) < 1 << BUCKET_BITS) found.push({ word, shift });
    }
  }
  return found;
}

function distinct(words: readonly Word[]): Word[] {
  const seen = new Map<number, Word>();
  for (const each of words) seen.set(each.word + each.shift / 2 ** 24, each);
  return [...seen.values()];
}

function sampled(words: readonly Word[]): Word[] {
  const step = Math.max(1, Math.floor(words.length / SAMPLES_MAX));
  return words.filter((_, i) => i % step === 0);
}

function popular(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, BUCKETS_MAX)
    .map(([value]) => value);
}

interface Interval {
  start: number;
  end: number;
}

/** For each shift the places of the old image that moved by it; a copy holds until the next one begins. */
function placesByShift(oldBytes: number, copies: readonly Copy[]): Map<number, Interval[]> {
  const sorted = [...copies].sort((a, b) => a.oldStart - b.oldStart);
  const places = new Map<number, Interval[]>();
  for (const [i, { oldStart, newStart }] of sorted.entries()) {
    const end = sorted[i + 1]?.oldStart ?? oldBytes;
    const shift = newStart - oldStart;
    const list = places.get(shift) ?? [];
    const last = list.at(-1);
    if (last?.end === oldStart) last.end = end;
    else if (end > oldStart) list.push({ start: oldStart, end });
    places.set(shift, list);
  }
  return places;
}
