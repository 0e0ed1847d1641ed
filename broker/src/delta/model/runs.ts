/**
 * The address map that explains the most votes with the fewest runs: a shortest path over the votes in order of their
 * places, where staying with a shift is free and changing it has a price. The price rises until the runs fit.
 */
import { CHOICES } from '../choices.ts';
import type { Run } from './fitting.ts';

const PRICE_GROWTH = 1.6;
/** More votes are thinned out evenly: the path takes a byte for each vote and shift. */
const VOTES_MAX = 1 << 20;

export function findRuns(votes: { places: readonly number[]; shifts: readonly number[] }, runsMax: number): Run[] {
  const grouped = group(votes);
  if (grouped.places.length === 0 || runsMax === 0) return [];
  for (let price = CHOICES.runPrice; ; price *= PRICE_GROWTH) {
    const runs = cheapest(grouped, price);
    if (runs.length <= runsMax) return runs;
  }
}

interface Votes {
  places: readonly number[];
  shifts: readonly number[];
}

function sampled(votes: Votes): Votes {
  const step = Math.ceil(votes.places.length / VOTES_MAX);
  if (step <= 1) return votes;
  const some = (list: readonly number[]) => list.filter((_, i) => i % step === 0);
  return { places: some(votes.places), shifts: some(votes.shifts) };
}

interface Grouped {
  shifts: number[];
  /** Distinct places, rising; the votes of place i are those from starts[i] to starts[i + 1]. */
  places: Int32Array;
  starts: Int32Array;
  /** Index into `shifts` of each vote, -1 for a shift not considered. */
  choices: Int32Array;
}

function group(all: { places: readonly number[]; shifts: readonly number[] }): Grouped {
  const votes = sampled(all);
  const counts = new Map<number, number>();
  for (const shift of votes.shifts) counts.set(shift, (counts.get(shift) ?? 0) + 1);
  const popular = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, CHOICES.shiftsMax);
  const shifts = popular.map(([shift]) => shift);
  const indexOf = new Map(shifts.map((shift, i) => [shift, i]));
  const order = Int32Array.from(votes.places, (_, i) => i).sort((a, b) => votes.places[a]! - votes.places[b]! || a - b);
  const places: number[] = [];
  const starts: number[] = [];
  const choices = new Int32Array(order.length);
  for (const [at, vote] of order.entries()) {
    const place = votes.places[vote]!;
    if (places.at(-1) !== place) {
      places.push(place);
      starts.push(at);
    }
    choices[at] = indexOf.get(votes.shifts[vote]!) ?? -1;
  }
  starts.push(order.length);
  return { shifts, places: Int32Array.from(places), starts: Int32Array.from(starts), choices };
}

function cheapest({ shifts, places, starts, choices }: Grouped, price: number): Run[] {
  const width = shifts.length;
  const score = new Float64Array(width);
  const changed = new Uint8Array(places.length * width);
  const from = new Int32Array(places.length);
  for (let i = 0; i < places.length; i++) {
    const best = indexOfMost(score);
    from[i] = best;
    const floor = score[best]! - price;
    for (let s = 0; s < width; s++) {
      if (score[s]! >= floor) continue;
      score[s] = floor;
      changed[i * width + s] = 1;
    }
    for (let vote = starts[i]!; vote < starts[i + 1]!; vote++) if (choices[vote]! >= 0) score[choices[vote]!]! += 1;
  }
  const runs: Run[] = [];
  let at = indexOfMost(score);
  for (let i = places.length - 1; i >= 0; i--) {
    if (i > 0 && changed[i * width + at] === 0) continue;
    runs.push({ start: places[i]!, shift: shifts[at]! });
    at = from[i]!;
  }
  return runs.reverse();
}

function indexOfMost(score: Float64Array): number {
  let best = 0;
  for (let i = 1; i < score.length; i++) if (score[i]! > score[best]!) best = i;
  return best;
}
