/** The worker's side of in-worker.ts: one job, one answer. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Code, codeOf } from '@countersign/device-sdk';
import { type Made, type MakeOptions, makeDelta, makeFull } from './encode.ts';

export interface Job {
  old?: Uint8Array;
  fresh: Uint8Array;
  options: MakeOptions;
}

export type Outcome = { made: Made } | { code: Code; text: string };

parentPort?.postMessage(work(workerData as Job));

function work({ old, fresh, options }: Job): Outcome {
  try {
    return { made: old ? makeDelta(old, fresh, options) : makeFull(fresh, options) };
  } catch (error) {
    return { code: codeOf(error), text: error instanceof Error ? error.message : String(error) };
  }
}
