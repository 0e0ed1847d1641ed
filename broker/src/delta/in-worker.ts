/** The encoder in a worker thread, so that a server goes on answering while a delta is made. */

import { Worker } from 'node:worker_threads';
import { Refusal } from '@countersign/device-sdk';
import type { Made, MakeOptions } from './encode.ts';
import type { Job, Outcome } from './worker.ts';

/** A delta of 16 MB takes under a minute; ten minutes mean that something is wrong with the input. */
const JOB_MS_MAX = 600_000;

/** {@link makeDelta} in a worker. @throws Refusal as it; BUSY after ten minutes */
export function makeDeltaInWorker(old: Uint8Array, fresh: Uint8Array, options: MakeOptions): Promise<Made> {
  return run({ old, fresh, options });
}

/** {@link makeFull} in a worker. */
export function makeFullInWorker(fresh: Uint8Array, options: MakeOptions): Promise<Made> {
  return run({ fresh, options });
}

function run(job: Job): Promise<Made> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: job });
    const timer = setTimeout(() => end(() => reject(new Refusal('BUSY', 'the delta took too long'))), JOB_MS_MAX);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      settle();
      void worker.terminate();
    };
    worker.once('message', (outcome: Outcome) =>
      end(() => ('made' in outcome ? resolve(outcome.made) : reject(new Refusal(outcome.code, outcome.text)))),
    );
    worker.once('error', (error) => end(() => reject(error)));
    worker.once('exit', (code) => end(() => reject(new Refusal('INTERNAL', `the delta worker ended with ${code}`))));
  });
}
