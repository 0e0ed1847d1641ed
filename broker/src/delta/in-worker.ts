/** The encoder in a worker thread, so that a server goes on answering while a delta is made. */

import { Worker } from 'node:worker_threads';
import { demand, Refusal } from '@countersign/device-sdk';
import { bsdiffCopies } from './bsdiff-child.ts';
import type { Made, MakeOptions } from './encode.ts';
import type { Tell } from './progress.ts';
import type { Bsdiff40Job, Job, Message, Outcome } from './worker.ts';

/** The slowest images of 16 MB take a minute of processor time; ten minutes mean that something is wrong with the input. */
const JOB_MS_MAX = 600_000;
/** It takes 3 seconds for 8 MB; where it takes longer there is padding, on which ours is the better one anyway. */
const BSDIFF_MS_MAX = 10_000;

/**
 * {@link makeDelta} in a worker, and beside it in a second one the same along the alignment of bsdiff-node, where that is
 * installed; the smaller one is the answer. @throws Refusal as makeDelta; BUSY after ten minutes
 */
export async function makeDeltaInWorker(
  old: Uint8Array,
  fresh: Uint8Array,
  options: MakeOptions,
  tell?: Tell,
): Promise<Made> {
  const notes: string[] = [];
  const [ours, theirs] = await Promise.all([
    makeInWorker({ old, fresh, options }, tell),
    alongBsdiff(old, fresh, options, notes),
  ]);
  const best = theirs && theirs.delta.length < ours.delta.length ? theirs : ours;
  return { delta: best.delta, info: { ...best.info, notes } };
}

async function alongBsdiff(old: Uint8Array, fresh: Uint8Array, options: MakeOptions, notes: string[]) {
  const note = (text: string) => notes.push(text);
  const copies = await bsdiffCopies(old, fresh, { timeoutMs: BSDIFF_MS_MAX, note });
  if (!copies) return undefined;
  return makeInWorker({ old, fresh, options: { ...options, given: [{ name: 'bsdiff-node', copies }] } });
}

/** {@link makeFull} in a worker. */
export function makeFullInWorker(fresh: Uint8Array, options: MakeOptions, tell?: Tell): Promise<Made> {
  return makeInWorker({ fresh, options }, tell);
}

/** A BSDIFF40 patch, made in a worker. */
export async function makeBsdiff40InWorker(old: Uint8Array, fresh: Uint8Array): Promise<Uint8Array> {
  const outcome = await run({ old, fresh, format: 'bsdiff40' });
  demand('patch' in outcome, 'INTERNAL', 'the delta worker answered another question');
  return outcome.patch;
}

async function makeInWorker(job: Job, tell?: Tell): Promise<Made> {
  const outcome = await run(job, tell);
  demand('made' in outcome, 'INTERNAL', 'the delta worker answered another question');
  return outcome.made;
}

function run(job: Job | Bsdiff40Job, tell: Tell = () => undefined): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: job });
    const timer = setTimeout(() => end(() => reject(new Refusal('BUSY', 'the delta took too long'))), JOB_MS_MAX);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      settle();
      void worker.terminate();
    };
    worker.on('message', (message: Message) => {
      if ('progress' in message) tell(message.progress);
      else end(() => ('code' in message ? reject(new Refusal(message.code, message.text)) : resolve(message)));
    });
    worker.once('error', (error) => end(() => reject(error)));
    worker.once('exit', (code) => end(() => reject(new Refusal('INTERNAL', `the delta worker ended with ${code}`))));
  });
}
