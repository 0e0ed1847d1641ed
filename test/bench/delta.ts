/**
 * Bytes and time per firmware pair and memory class, as CSV with commit and machine. Run after a build:
 *   node test/dist/bench/delta.js [CLASS ...]
 * Pairs: the firmware samples, and the folder of published images where it is beside this checkout. Encode time is the
 * whole search, full image included; apply time is the decoder alone, best of five.
 */
import { readdirSync } from 'node:fs';
import { applyDelta, makeDelta, makeFull } from '@countersign/broker/delta/index';
import { type MemoryClass, memoryClass } from '@countersign/device-sdk/delta';
import { readSample, samples } from '@countersign/firmware-samples';
import { bench } from '../support/bench.ts';
import { firmwarePair, type Pair } from '../support/firmware.ts';
import { shared } from '../support/repository.ts';

const classes: MemoryClass[] = process.argv.length > 2 ? process.argv.slice(2).map(memoryClass) : ['S', 'L'];

const columns = 'pair,class,image,full,delta,percent,window,lookahead,checkpoint,encode_s,apply_ms';
const print = bench(...columns.split(','));
for (const pair of [...samplePairs(), ...firmwarePairs()]) for (const name of classes) row(pair, name);

function row(pair: Pair, name: MemoryClass): void {
  const start = performance.now();
  const { delta, info } = makeDelta(pair.old, pair.fresh, { class: name });
  const seconds = (performance.now() - start) / 1000;
  const full = makeFull(pair.fresh, { class: name }).delta.length;
  const percent = ((100 * delta.length) / pair.fresh.length).toFixed(2);
  const shape = [info.windowBits, info.lookaheadBits, info.checkpointBytes];
  const times = [seconds.toFixed(2), applyMs(delta, info.kind === 'full' ? new Uint8Array() : pair.old).toFixed(1)];
  const cells = [pair.name, name, pair.fresh.length, full, delta.length, percent];
  print(...cells, ...shape, ...times);
}

function applyMs(delta: Uint8Array, old: Uint8Array): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    applyDelta(delta, old);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

function samplePairs(): Pair[] {
  return samples.flatMap((sample, i) => {
    const before = samples[i - 1];
    if (before?.product !== sample.product) return [];
    const read = (version: string) => readSample(sample.product, version);
    const name = `${sample.product} ${before.version}-${sample.version}`;
    return [{ name, old: read(before.version), fresh: read(sample.version) }];
  });
}

function firmwarePairs(): Pair[] {
  const folder = shared('firmware');
  if (folder === undefined) console.error('the folder of published images is not beside this checkout: samples only');
  const names = folder === undefined ? [] : readdirSync(folder, { withFileTypes: true });
  return names.flatMap((entry) => (entry.isDirectory() ? (firmwarePair(entry.name) ?? []) : []));
}
