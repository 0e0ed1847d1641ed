/** Prefix codes for the symbols of a block: several, each for the groups that it suits best. */
import { CODE_BITS_MAX, GROUP_SYMBOLS } from './shape.ts';

export interface Codes {
  /** By table: bits of each symbol's code. */
  lengths: Uint8Array[];
  /** By group: its table. */
  choices: Uint8Array;
}

/** Rounds of choosing tables for groups and fitting the tables to them: the fifth gains under 0.1 %. */
const ROUNDS = 4;
/** From how many symbols on a further table pays for its own description. */
const TABLE_STEPS: readonly [number, number][] = [
  [200, 2],
  [600, 3],
  [1200, 4],
  [2400, 5],
];
/** What a symbol costs a table that was not made for it, before the first fitting. */
const FOREIGN_BITS = 15;

/** @param alphabet symbols are below this */
export function chooseCodes(symbols: Uint16Array, alphabet: number): Codes {
  const tables = TABLE_STEPS.find(([below]) => symbols.length < below)?.[1] ?? 6;
  let lengths = firstLengths(symbols, alphabet, tables);
  const choices = new Uint8Array(Math.ceil(symbols.length / GROUP_SYMBOLS));
  for (let round = 0; round < ROUNDS; round++) {
    const counts = lengths.map(() => new Uint32Array(alphabet));
    for (let group = 0; group < choices.length; group++) {
      const part = symbols.subarray(group * GROUP_SYMBOLS, (group + 1) * GROUP_SYMBOLS);
      const table = cheapest(part, lengths);
      choices[group] = table;
      for (const symbol of part) counts[table]![symbol]!++;
    }
    lengths = counts.map(codeLengths);
  }
  return { lengths, choices };
}

/** The alphabet is cut into stretches that occur about equally often, one for each table. */
function firstLengths(symbols: Uint16Array, alphabet: number, tables: number): Uint8Array[] {
  const counts = new Uint32Array(alphabet);
  for (const symbol of symbols) counts[symbol]!++;
  const lengths = Array.from({ length: tables }, () => new Uint8Array(alphabet).fill(FOREIGN_BITS));
  let seen = 0;
  for (let symbol = 0; symbol < alphabet; symbol++) {
    lengths[Math.min(tables - 1, Math.floor((tables * seen) / symbols.length))]![symbol] = 0;
    seen += counts[symbol]!;
  }
  return lengths;
}

function cheapest(part: Uint16Array, lengths: readonly Uint8Array[]): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let table = 0; table < lengths.length; table++) {
    let bits = 0;
    for (const symbol of part) bits += lengths[table]![symbol]!;
    if (bits < least) {
      least = bits;
      best = table;
    }
  }
  return best;
}

/** Huffman's code, every symbol included; counts are flattened until the longest word fits. */
function codeLengths(counts: Uint32Array): Uint8Array {
  let weights = Float64Array.from(counts, (count) => Math.max(1, count));
  for (;;) {
    const lengths = huffman(weights);
    if (lengths.every((length) => length <= CODE_BITS_MAX)) return lengths;
    weights = weights.map((weight) => Math.ceil(weight / 2));
  }
}

/** Two sorted queues: leaves, and the sums of what was joined. */
function huffman(weights: Float64Array): Uint8Array {
  const n = weights.length;
  const leaves = Uint16Array.from(weights, (_, i) => i).sort((a, b) => weights[a]! - weights[b]! || a - b);
  const sums: number[] = [];
  const parents = new Uint16Array(2 * n - 1);
  let leaf = 0;
  let sum = 0;
  const least = (): { node: number; weight: number } => {
    if (leaf < n && (sum >= sums.length || weights[leaves[leaf]!]! <= sums[sum]!)) {
      const node = leaves[leaf++]!;
      return { node, weight: weights[node]! };
    }
    return { node: n + sum, weight: sums[sum++]! };
  };
  for (let joined = n; joined < 2 * n - 1; joined++) {
    const a = least();
    const b = least();
    parents[a.node] = parents[b.node] = joined;
    sums.push(a.weight + b.weight);
  }
  const depths = new Uint8Array(2 * n - 1);
  for (let node = 2 * n - 3; node >= 0; node--) depths[node] = Math.min(255, depths[parents[node]!]! + 1);
  return depths.slice(0, n);
}
