/** Sizes and times, ours beside those of other tools, measured in one call. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLASSES, type MemoryClass } from '@countersign/device-sdk/delta';
import { makeBsdiff40InWorker } from '../in-worker.ts';
import { encodeAlone } from './encoder.ts';
import type { BenchPair } from './pairs.ts';
import { quoteOf } from './quoted.ts';
import type { BenchRow } from './row.ts';
import { type Summary, summarize } from './summary.ts';
import { type Files, TOOLS, type Tool } from './tools.ts';

export interface BenchOptions {
  classes: readonly MemoryClass[];
  /** Leave other tools out. */
  oursOnly: boolean;
  /** Hears before each step. */
  progress(done: number, total: number, what: string): void;
  /** Hears each row as soon as it is known. */
  row(row: BenchRow): void;
}

export interface Bench {
  commit: string;
  machine: string;
  node: string;
  rows: BenchRow[];
  summary: Summary;
}

export const ALL_CLASSES = CLASSES;

/** Runs one step after another: two at once would spoil each other's times. */
export async function runBench(pairs: readonly BenchPair[], options: BenchOptions): Promise<Bench> {
  const tools = options.oursOnly ? [] : TOOLS;
  const versions = new Map(await Promise.all(tools.map(async (tool) => [tool, await tool.version()] as const)));
  const total = pairs.length * (options.classes.length + tools.length + 1);
  const rows: BenchRow[] = [];
  let done = 0;
  const add = (row: BenchRow) => {
    rows.push(row);
    options.row(row);
  };
  for (const pair of pairs) {
    const step = (what: string) => options.progress(done++, total, `${pair.name}: ${what}`);
    await inFolder(pair, async (files) => {
      for (const name of options.classes) {
        step(`class ${name}`);
        add(await ours(pair, name, files));
      }
      step('BSDIFF40 export');
      const exported = await exportRow(pair);
      add(exported);
      for (const tool of tools) {
        step(tool.name);
        add(await theirs(pair, tool, versions.get(tool), files));
      }
      for (const row of quotedRows(pair, exported.bytes ?? 0)) add(row);
    });
  }
  options.progress(total, total, 'done');
  const [{ model } = { model: 'unknown' }] = cpus();
  const machine = `${model.trim()} x${cpus().length}`;
  return { commit: await commit(), machine, node: process.version, rows, summary: summarize(rows) };
}

function rowOf(pair: BenchPair, tool: string, more: Partial<BenchRow> & { bytes: number | null }): BenchRow {
  const { name, old, fresh } = pair;
  const percent = more.bytes === null || fresh.length === 0 ? null : round((100 * more.bytes) / fresh.length, 2);
  return {
    pair: name,
    oldBytes: old.length,
    newBytes: fresh.length,
    tool,
    version: null,
    source: 'measured',
    percent,
    seconds: null,
    cpuSeconds: null,
    applyMs: null,
    peakMb: null,
    note: '',
    ...more,
  };
}

async function ours(pair: BenchPair, name: MemoryClass, files: Files): Promise<BenchRow> {
  const made = await encodeAlone(name, files);
  const tool = `class ${name}`;
  // A pair that our encoder refuses must stand in the table, not end it.
  if ('code' in made)
    return rowOf(pair, tool, { bytes: null, source: 'failed', note: `${made.code}: ${made.message}` });
  const { bytes, note } = made;
  const [seconds, cpuSeconds] = [round(made.seconds, 3), round(made.cpuSeconds, 3)];
  const [applyMs, peakMb] = [round(made.applyMs, 1), Math.round(made.peakBytes / 2 ** 20)];
  return rowOf(pair, tool, { bytes, seconds, cpuSeconds, applyMs, peakMb, note });
}

async function exportRow(pair: BenchPair): Promise<BenchRow> {
  const start = performance.now();
  const patch = await makeBsdiff40InWorker(pair.old, pair.fresh);
  return rowOf(pair, 'our BSDIFF40', { bytes: patch.length, seconds: secondsSince(start) });
}

async function theirs(pair: BenchPair, tool: Tool, version: string | undefined, files: Files): Promise<BenchRow> {
  if (version === undefined) return rowOf(pair, tool.name, { bytes: null, source: 'not installed' });
  const start = performance.now();
  try {
    const bytes = await tool.run(pair, files);
    return rowOf(pair, tool.name, { bytes, version, seconds: secondsSince(start) });
  } catch (error) {
    return rowOf(pair, tool.name, { bytes: null, version, source: 'failed', note: (error as Error).message });
  }
}

function quotedRows(pair: BenchPair, bsdiffBytes: number): BenchRow[] {
  const quote = quoteOf(pair.fresh.length, bsdiffBytes);
  const tools = Object.entries(quote?.tools ?? {});
  return tools.map(([tool, bytes]) => rowOf(pair, tool, { bytes, source: 'quoted', note: 'measured elsewhere' }));
}

async function inFolder(pair: BenchPair, use: (files: Files) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const at = (name: string) => join(folder, name);
  try {
    const files = { oldPath: at('old'), newPath: at('new'), outPath: at('patch') };
    await Promise.all([writeFile(files.oldPath, pair.old), writeFile(files.newPath, pair.fresh)]);
    await use(files);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of the checkout that this file lies in; an installed package has none. */
function commit(): Promise<string> {
  const options = { cwd: import.meta.dirname };
  return new Promise((resolve) =>
    execFile('git', ['describe', '--always', '--dirty'], options, (error, stdout) =>
      resolve(error ? 'none' : stdout.trim()),
    ),
  );
}

function secondsSince(start: number): number {
  return round((performance.now() - start) / 1000, 3);
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
