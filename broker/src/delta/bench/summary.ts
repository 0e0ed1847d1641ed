/** What the rows of a bench say together. */

import { HDIFF } from './quoted.ts';
import type { BenchRow } from './row.ts';

/** Patches below this share of the image are small releases, those above large jumps or another compiler. */
const SMALL_SHARE_MAX = 0.12;

export interface Summary {
  /** Names of the pairs on each side of the border, by the smallest patch of any other tool. */
  small: string[];
  large: string[];
  /** By tool that is not ours, then by class: how many times smaller ours is on small releases, as geometric mean. */
  smaller: Record<string, Record<string, { times: number; pairs: number }>>;
  /** Large pairs by class: ours over the smallest of all other tools; 1 and below is no larger. */
  largeAgainstBest: Record<string, Record<string, number>>;
}

export function summarize(rows: readonly BenchRow[]): Summary {
  const pairs = [...new Set(rows.map((row) => row.pair))];
  const sized = rows.filter((row) => row.bytes !== null) as (BenchRow & { bytes: number })[];
  const bestOther = (pair: string) => {
    const others = sized.filter((row) => row.pair === pair && !isClass(row));
    return others.reduce<Sized | undefined>((best, row) => (best && best.bytes <= row.bytes ? best : row), undefined);
  };
  const isSmall = (pair: string) => {
    const best = bestOther(pair);
    return best !== undefined && best.bytes < SMALL_SHARE_MAX * best.newBytes;
  };
  const small = pairs.filter(isSmall);
  const large = pairs.filter((pair) => !isSmall(pair));
  const classes = sized.filter(isClass);
  const summary: Summary = { small, large, smaller: {}, largeAgainstBest: {} };
  for (const other of new Set(sized.filter((row) => !isClass(row)).map((row) => row.tool))) {
    for (const tool of new Set(classes.map((row) => row.tool))) {
      const ratios = small.flatMap((pair) => ratio(sized, pair, other, tool));
      if (ratios.length === 0) continue;
      summary.smaller[other] ??= {};
      summary.smaller[other][tool] = { times: geometricMean(ratios), pairs: ratios.length };
    }
  }
  for (const row of classes.filter(({ pair }) => large.includes(pair))) {
    const best = bestOther(row.pair);
    if (!best) continue;
    summary.largeAgainstBest[row.pair] ??= {};
    summary.largeAgainstBest[row.pair]![row.tool] = round(row.bytes / best.bytes);
  }
  return summary;
}

/** A few lines for people. */
export function explainSummary({ small, large, smaller, largeAgainstBest }: Summary): string[] {
  const against = (name: string) =>
    Object.entries(smaller[name] ?? {}).map(([tool, { times, pairs }]) => `${tool} ${times}x (${pairs})`);
  const means = [HDIFF, 'bsdiff-node', 'bsdiff', 'our BSDIFF40']
    .filter((name) => smaller[name])
    .map((name) => `times smaller than ${name}, geometric mean of small releases: ${against(name).join(', ')}`);
  const jumps = Object.entries(largeAgainstBest).map(
    ([pair, classes]) =>
      `${pair}, against the smallest other patch: ${Object.entries(classes)
        .map(([tool, share]) => `${tool} ${share}`)
        .join(', ')}`,
  );
  return [`${counted(small, 'small release')}, ${counted(large, 'large jump')}`, ...means, ...jumps];
}

function counted({ length }: readonly string[], what: string): string {
  return `${length} ${what}${length === 1 ? '' : 's'}`;
}

type Sized = BenchRow & { bytes: number };

function isClass(row: BenchRow): boolean {
  return row.tool.startsWith('class ');
}

function ratio(rows: readonly Sized[], pair: string, other: string, tool: string): number[] {
  const of = (name: string) => rows.find((row) => row.pair === pair && row.tool === name)?.bytes;
  const [theirs, mine] = [of(other), of(tool)];
  return theirs === undefined || mine === undefined || mine === 0 ? [] : [theirs / mine];
}

function geometricMean(ratios: readonly number[]): number {
  return round(Math.exp(ratios.reduce((sum, value) => sum + Math.log(value), 0) / ratios.length));
}

function round(value: number): number {
  return Math.round(1000 * value) / 1000;
}
