/** The body of a branch worker: a job in, an answer out. */
import { parentPort } from 'node:worker_threads';
import { Refusal } from '@countersign/device-sdk';
import type { Job } from './branch.ts';
import type { JobAnswer } from './jobs.ts';
import { makeBranch } from './make.ts';
import { tryBranch } from './trial/trial.ts';

const port = parentPort;
if (!port) throw new TypeError('this file runs as a worker only');
port.on('message', async (job: Job) => port.postMessage(await answer(job)));

/** What is not a refusal is a fault of ours: it ends the worker, and the runner says so. */
async function answer(job: Job): Promise<JobAnswer> {
  try {
    return { result: job.kind === 'make' ? makeBranch(job) : await tryBranch(job) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refusal: { code: error.code, text: error.message } };
  }
}
