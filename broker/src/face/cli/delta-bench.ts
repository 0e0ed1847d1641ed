import { memoryClass } from '@countersign/device-sdk/delta';
import type { Command } from 'commander';
import { ALL_CLASSES, runBench } from '../../delta/bench/bench.ts';
import { benchCsv } from '../../delta/bench/csv.ts';
import { type BenchPair, pairsIn, publishedFolder, samplePairs } from '../../delta/bench/pairs.ts';
import type { BenchRow } from '../../delta/bench/row.ts';
import { explainSummary } from '../../delta/bench/summary.ts';
import { bar } from './bar.ts';
import { note, verb, WrongUse } from './program.ts';

interface Options {
  class?: string;
  pair?: string;
  bytes?: string;
  oursOnly?: boolean;
}

/** `delta bench`: sizes and times of every class beside other tools, as CSV or JSON. */
export function benchVerb(delta: Command): void {
  const command = delta
    .command('bench [folders...]')
    .description('compare our deltas with other tools; a folder holds old.bin and new.bin, or such folders')
    .option('--class <classes>', 'only these memory classes, as in S,L')
    .option('--pair <text>', 'only pairs whose name holds this')
    .option('--bytes <count>', 'only so many bytes of each image')
    .option('--ours-only', 'leave the other tools out');
  verb(command, async (folders: string[], options: Options) => {
    const pairs = choosePairs(folders, options);
    const shown = bar();
    const bench = await runBench(pairs, {
      classes: options.class ? options.class.split(',').map(memoryClass) : ALL_CLASSES,
      oursOnly: options.oursOnly ?? false,
      progress: shown.update,
      row: (row) => {
        shown.clear();
        note(rowText(row));
      },
    });
    shown.clear();
    for (const line of explainSummary(bench.summary)) note(line);
    const ok = bench.rows.every(({ tool, source }) => source !== 'failed' || !tool.startsWith('class '));
    return { json: bench, text: benchCsv(bench), ok };
  });
}

/** With no folder named: the published images that lie beside some checkouts, and the firmware samples. */
function choosePairs(folders: readonly string[], { pair: text = '', bytes }: Options): BenchPair[] {
  const published = publishedFolder();
  if (folders.length === 0 && !published)
    note('the folder of published images is not beside this checkout: samples only');
  const all = folders.length > 0 ? pairsIn(folders) : [...(published ? pairsIn([published]) : []), ...samplePairs()];
  const chosen = all.filter(({ name }) => name.includes(text));
  if (chosen.length === 0) {
    note(`pairs:\n${all.map(({ name }) => `  ${name}`).join('\n')}`);
    throw new WrongUse(`no pair has ${text} in its name`);
  }
  if (bytes === undefined) return chosen;
  const count = Number(bytes);
  if (!Number.isSafeInteger(count) || count < 1) throw new WrongUse(`--bytes ${bytes}: expected a count`);
  return chosen.map(({ name, old, fresh }) => ({
    name: `${name} first ${count}`,
    old: old.subarray(0, count),
    fresh: fresh.subarray(0, count),
  }));
}

function rowText({ pair, tool, source, bytes, percent, seconds, applyMs, peakMb, note: why }: BenchRow): string {
  const size = bytes === null ? source : `${bytes} bytes ${percent} %`;
  const times = [
    seconds === null ? '' : `${seconds} s`,
    applyMs === null ? '' : `apply ${applyMs} ms`,
    peakMb === null ? '' : `${peakMb} MB`,
    source === 'quoted' ? 'quoted' : why,
  ];
  return [`${pair}  ${tool}: ${size}`, ...times.filter((text) => text !== '')].join('  ');
}
