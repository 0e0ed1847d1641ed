/** The worker's side of in-worker.ts: one job, one answer. */
import { parentPort, workerData } from 'node:worker_threads';
import { type Code, codeOf } from '@countersign/device-sdk';
import { makeBsdiff40 } from './bsdiff40/make.ts';
import { type Made, type MakeOptions, makeDelta, makeFull } from './encode.ts';
import type { ProgressTold } from './progress.ts';

export type Message = Outcome | { progress: ProgressTold };

export interface Job {
  old?: Uint8Array;
  fresh: Uint8Array;
  options: MakeOptions;
}

/** A patch for other tools. */
export interface Bsdiff40Job {
  old: Uint8Array;
  fresh: Uint8Array;
  format: 'bsdiff40';
}

export type Outcome = { made: Made } | { patch: Uint8Array } | { code: Code; text: string };

parentPort?.postMessage(work(workerData as Job | Bsdiff40Job));

/** Far fewer than there are units of work: each candidate takes a tenth of a second or more. */
function tell(progress: ProgressTold): void {
  parentPort?.postMessage({ progress });
}

function work(job: Job | Bsdiff40Job): Outcome {
  try {
    if ('format' in job) return { patch: makeBsdiff40(job.old, job.fresh) };
    const { old, fresh, options } = job;
    return { made: old ? makeDelta(old, fresh, options, tell) : makeFull(fresh, options, tell) };
  } catch (error) {
    return { code: codeOf(error), text: error instanceof Error ? error.message : String(error) };
  }
}
