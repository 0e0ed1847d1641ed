/** The body of the process that encoder.ts starts: CLASS OLD NEW. */
import { readFileSync } from 'node:fs';
import { Refusal } from '@countersign/device-sdk';
import { memoryClass } from '@countersign/device-sdk/delta';
import { applyDelta } from '../apply.ts';
import { makeDeltaInWorker } from '../in-worker.ts';
import type { Encoded } from './encoder.ts';

/** The best of ten: the first ones are run before the compiler has come round to the decoder. */
const APPLIES = 10;
/** A decoder that learns from megabytes is at its speed long before ten. */
const APPLY_MS_MAX = 5_000;

const [name = '', oldPath = '', newPath = ''] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await measure(bytesOf(oldPath), bytesOf(newPath))));

async function measure(old: Uint8Array, fresh: Uint8Array): Promise<Encoded> {
  try {
    const start = performance.now();
    const { delta, info } = await makeDeltaInWorker(old, fresh, { class: memoryClass(name) });
    const seconds = (performance.now() - start) / 1000;
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    const applyMs = bestApplyMs(delta, info.kind === 'full' ? new Uint8Array() : old);
    const { kind, alignment, predictor, coder, workspaceBytes, notes } = info;
    const note = [kind, alignment, predictor, coder, `workspace ${workspaceBytes}`, ...notes].join('; ');
    const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
    return { bytes: delta.length, seconds, cpuSeconds, peakBytes: 1024 * maxRSS, applyMs, note };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { code: error.code, message: error.message };
  }
}

function bestApplyMs(delta: Uint8Array, old: Uint8Array): number {
  let best = Number.POSITIVE_INFINITY;
  const first = performance.now();
  for (let i = 0; i < APPLIES && performance.now() - first < APPLY_MS_MAX; i++) {
    const start = performance.now();
    applyDelta(delta, old);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

function bytesOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}
