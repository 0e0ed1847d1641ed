import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBench } from '@countersign/broker/delta/bench/bench';
import { benchCsv } from '@countersign/broker/delta/bench/csv';
import { pairsIn, samplePairs } from '@countersign/broker/delta/bench/pairs';
import { HDIFF, quoteOf } from '@countersign/broker/delta/bench/quoted';
import type { BenchRow } from '@countersign/broker/delta/bench/row';
import { explainSummary, summarize } from '@countersign/broker/delta/bench/summary';
import { TOOLS } from '@countersign/broker/delta/bench/tools';
import { Refusal } from '@countersign/device-sdk';
import { samples } from '@countersign/firmware-samples';
import test from 'ava';
import { edited, image } from '../support/delta.ts';

const old = image(9_000, 6);
const fresh = edited(old, 3);

test('a bench measures our classes and every tool that is installed, and names those that are not', async (t) => {
  const seen: BenchRow[] = [];
  const steps: number[] = [];
  const bench = await runBench([{ name: 'a,pair', old, fresh }], {
    classes: ['S', 'L'],
    oursOnly: false,
    progress: (done, total) => steps.push(done / total),
    row: (row) => seen.push(row),
  });
  t.deepEqual(bench.rows, seen);
  t.deepEqual(
    bench.rows.map((row) => row.tool),
    ['class S', 'class L', 'our BSDIFF40', ...TOOLS.map((tool) => tool.name)],
  );
  for (const row of bench.rows) {
    const measured = row.source === 'measured' && row.bytes !== null && row.bytes > 0 && row.seconds !== null;
    t.true(measured || (row.source === 'not installed' && row.bytes === null), JSON.stringify(row));
  }
  t.true(bench.rows[0]!.applyMs! > 0 && bench.rows[0]!.peakMb! > 10);
  t.deepEqual([steps[0], steps.at(-1)], [0, 1]);
  const lines = benchCsv(bench).split('\n');
  t.is(lines.length, 1 + bench.rows.length);
  t.true(lines[0]!.startsWith('commit,machine,node,pair,'));
  t.true(lines[1]!.includes('"a,pair",9000,'));
});

test('pairs are folders with old.bin and new.bin, and a folder without any is refused', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'old.bin'), old);
      writeFileSync(join(folder, name, 'new.bin'), fresh);
    }
    t.deepEqual(
      pairsIn([folder]).map((pair) => pair.name),
      ['one', 'two'],
    );
    t.deepEqual(pairsIn([join(folder, 'two')]), [{ name: 'two', old, fresh }]);
    mkdirSync(join(folder, 'empty'));
    const refusal = { instanceOf: Refusal, code: 'NOT_FOUND' };
    t.throws(() => pairsIn([join(folder, 'empty')]), refusal);
    t.throws(() => pairsIn([join(folder, 'absent')]), refusal);
    writeFileSync(join(folder, 'a-file'), old);
    t.throws(() => pairsIn([join(folder, 'a-file')]), refusal);
    writeFileSync(join(folder, 'empty', 'new.bin'), fresh);
    t.throws(() => pairsIn([folder]), refusal);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('neighbouring releases of one product are pairs', (t) => {
  const products = new Set(samples.map((sample) => sample.product));
  t.is(samplePairs().length, samples.length - products.size);
});

test('a quote belongs to a pair by two sizes, not by a name', (t) => {
  t.is(quoteOf(874_512, 22_026)?.tools[HDIFF], 20_082);
  t.is(quoteOf(874_512, 30_000), undefined);
  t.is(quoteOf(874_513, 22_026), undefined);
});

test('the summary has geometric means of small releases, and the best other patch of large ones', (t) => {
  const row = (pair: string, tool: string, bytes: number) => ({ pair, tool, bytes, newBytes: 1000 }) as BenchRow;
  const summary = summarize([
    row('a', 'class G', 10),
    row('a', 'bsdiff', 40),
    row('b', 'class G', 50),
    row('b', 'bsdiff', 50),
    row('b', 'xdelta3', 90),
    row('c', 'class G', 400),
    row('c', 'bsdiff', 800),
    row('c', 'xdelta3', 500),
  ]);
  t.deepEqual(summary, {
    small: ['a', 'b'],
    large: ['c'],
    smaller: {
      bsdiff: { 'class G': { times: 2, pairs: 2 } },
      xdelta3: { 'class G': { times: 1.8, pairs: 1 } },
    },
    largeAgainstBest: { c: { 'class G': 0.8 } },
  });
  t.is(explainSummary(summary)[0], '2 small releases, 1 large jump');
  t.regex(explainSummary(summary).join('\n'), /times smaller than bsdiff.*class G 2x \(2\)/);
});
