/** Branches are made and tried in worker threads, a few at a time: the server goes on answering meanwhile. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Code, codeOf, demand, Refusal } from '@countersign/device-sdk';
import type { Job, Made, MakeJob, TrialJob } from './branch.ts';
import type { TrialSummary } from './prepared.ts';

/** Making a delta of 16 MB takes minutes on one core; whatever takes longer than this hangs. */
export const JOB_MS_MAX = 15 * 60_000;
/** Images of this many branches wait in memory: four preparations of eight. A fifth is told to come back. */
export const JOBS_MAX = 32;
/** One core is left to the server; each worker holds suffix arrays of up to ten times an image. */
const WORKERS_MAX = 4;

/**
 * A cold thread takes ten times as long for a small delta as one that has made some, and a warm one some 20 MB to keep: it
 * stays from one release to the next of a busy hour, not longer.
 */
const IDLE_MS = 60_000;

/** What a worker answers. A Refusal loses its class on the way between threads, so it travels as code and text. */
export type JobAnswer = { result: Made | TrialSummary } | { refusal: { code: Code; text: string } };

export interface BranchRunner {
  /** @throws Refusal BUSY, INTERNAL */
  make(job: MakeJob): Promise<Made>;
  /** @throws Refusal TRIAL_RIG, BUSY, INTERNAL */
  try(job: TrialJob): Promise<TrialSummary>;
  /** Ends all workers; what they were doing is rejected. */
  close(): Promise<void>;
}

/** @param workers threads at once; by default one per core but one, at most 4 */
export function branchRunner(workers = Math.max(1, Math.min(WORKERS_MAX, availableParallelism() - 1))): BranchRunner {
  const idle = new Set<Worker>();
  const working = new Set<Worker>();
  /** A worker that has worked again rests anew: the end of its last rest must not meet it. */
  const resting = new WeakMap<Worker, NodeJS.Timeout>();
  const waiting: (() => void)[] = [];
  let free = workers;
  let closed = false;

  return {
    make: (job) => run(job) as Promise<Made>,
    try: (job) => run(job) as Promise<TrialSummary>,
    async close() {
      closed = true;
      await Promise.all([...idle, ...working].map((worker) => worker.terminate()));
    },
  };

  async function run(job: Job): Promise<Made | TrialSummary> {
    demand(waiting.length < JOBS_MAX, 'BUSY', `${waiting.length} branches are waiting to be made`);
    await turn();
    try {
      demand(!closed, 'BUSY', 'the server is stopping');
      return await withWorker((worker) => ask(worker, job));
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  }

  async function turn(): Promise<void> {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }

  /** A worker that answered is kept for the next job; one that failed or hangs is ended. */
  async function withWorker<T>(use: (worker: Worker) => Promise<T>): Promise<T> {
    const [kept] = idle;
    const worker = kept ?? hire();
    idle.delete(worker);
    working.add(worker);
    worker.ref();
    try {
      return await use(worker);
    } catch (error) {
      if (codeOf(error) === 'INTERNAL') await worker.terminate();
      throw error;
    } finally {
      working.delete(worker);
      if (worker.threadId >= 0 && !closed) rest(worker);
    }
  }

  function hire(): Worker {
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    // Listened to for good: an error that nobody hears would end the server. The job under way has its own ears.
    return worker.on('error', () => idle.delete(worker)).on('exit', () => idle.delete(worker));
  }

  function rest(worker: Worker): void {
    idle.add(worker);
    worker.unref();
    clearTimeout(resting.get(worker));
    const timer = setTimeout(() => idle.delete(worker) && void worker.terminate(), IDLE_MS).unref();
    resting.set(worker, timer);
  }
}

/** One job, one answer. */
function ask(worker: Worker, job: Job): Promise<Made | TrialSummary> {
  const ended = new AbortController();
  const { signal } = ended;
  return new Promise<Made | TrialSummary>((resolve, reject) => {
    const fail = (text: string, cause?: unknown) => reject(new Refusal('INTERNAL', text, { cause }));
    const timer = setTimeout(() => fail(`a branch took longer than ${JOB_MS_MAX / 1000} s`), JOB_MS_MAX);
    signal.addEventListener('abort', () => clearTimeout(timer));
    on('message', (answer: JobAnswer) => {
      if ('result' in answer) resolve(answer.result);
      else reject(new Refusal(answer.refusal.code, answer.refusal.text));
    });
    on('error', (cause: unknown) => fail('a branch worker failed', cause));
    on('exit', (code: number) => fail(`a branch worker ended with ${code} before it answered`));
    worker.postMessage(job);
  }).finally(() => ended.abort());

  function on<T>(name: string, call: (value: T) => void): void {
    worker.on(name, call);
    signal.addEventListener('abort', () => worker.off(name, call));
  }
}
