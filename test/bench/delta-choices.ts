/**
 * Were the encoder's numbers tuned to one image? Each is varied, and every pair is left out once: what the other pairs
 * would have chosen is measured on it. CSV with commit and machine. Run after a build:
 *   node test/dist/bench/delta-choices.js CLASS [PAIR ...]
 * The best on all others is the one with the smallest geometric mean.
 */
import { CHOICES } from '@countersign/broker/delta/choices';
import { makeDelta } from '@countersign/broker/delta/index';
import { memoryClass } from '@countersign/device-sdk/delta';
import { bench } from '../support/bench.ts';
import { pairsNamed } from '../support/bench-pairs.ts';

type Name = keyof typeof CHOICES;

const VALUES: Record<Name, readonly number[]> = {
  gainBytes: [4, 8, 16, 24],
  runPrice: [2, 4, 8],
  shiftsMax: [40, 160, 400],
  ramRunsShare: [1 / 8, 1 / 4, 1 / 2],
  changePrice: [10, 40, 160],
  unitPrice: [1, 2, 4],
  roundShare: [0.9, 0.97, 1],
};

const [wanted = 'M', ...names] = process.argv.slice(2);
const name = memoryClass(wanted);
const pairs = pairsNamed(names);
const shipped = { ...CHOICES };
const print = bench('choice', 'pair', 'class', 'values', 'bytes', 'shipped', 'others_choose', 'loss_percent');

for (const choice of Object.keys(VALUES) as Name[]) {
  const values = VALUES[choice];
  const bytes = values.map((value) => sizesWith(choice, value));
  for (const [i, pair] of pairs.entries()) {
    const others = values[bestWithout(bytes, i)]!;
    const [mine, theirs] = [shipped[choice], others].map((value) => bytes[values.indexOf(value)]![i]!) as [
      number,
      number,
    ];
    const loss = (100 * (mine / theirs - 1)).toFixed(2);
    print(
      choice,
      pair.name,
      name,
      values.join(' '),
      bytes.map((sizes) => sizes[i]).join(' '),
      shipped[choice],
      others,
      loss,
    );
  }
}

function sizesWith(choice: Name, value: number): number[] {
  CHOICES[choice] = value;
  try {
    return pairs.map(({ old, fresh }) => makeDelta(old, fresh, { class: name }).delta.length);
  } finally {
    CHOICES[choice] = shipped[choice];
  }
}

/** Which value has the smallest geometric mean over all pairs but one. */
function bestWithout(bytes: readonly number[][], left: number): number {
  const means = bytes.map((sizes) => sizes.reduce((sum, size, i) => (i === left ? sum : sum + Math.log(size)), 0));
  return means.indexOf(Math.min(...means));
}
