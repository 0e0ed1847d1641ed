/** Branches made and tried in this thread, each once: a hundred worlds of one process publish the same releases. */
import { createHash } from 'node:crypto';
import type { Made, MakeJob, TrialJob } from '@countersign/broker/collection/branch';
import type { BranchRunner } from '@countersign/broker/collection/jobs';
import { makeBranch } from '@countersign/broker/collection/make';
import type { TrialSummary } from '@countersign/broker/collection/prepared';
import { tryBranch } from '@countersign/broker/collection/trial/trial';

const made = new Map<string, Made>();
const tried = new Map<string, TrialSummary>();

/** The true encoder and the true trial. What they answer is a function of the job, and so may be remembered. */
export const branchesHere: BranchRunner = {
  async make(job: MakeJob): Promise<Made> {
    const { image, base, through, memoryClass, imageBase, cpu } = job;
    const key = JSON.stringify([...[image, base, through].map(digestOf), memoryClass, imageBase, cpu]);
    const known = made.get(key) ?? makeBranch(job);
    made.set(key, known);
    return known;
  },
  async try(job: TrialJob): Promise<TrialSummary> {
    const running = [job.running, ...(job.components ?? []).map((one) => one.running)];
    const key = JSON.stringify([job.manifest, job.payload.chainHead, ...running].map(digestOf));
    const known = tried.get(key) ?? (await tryBranch(job));
    tried.set(key, known);
    return known;
  },
  async close() {},
};

function digestOf(bytes: Uint8Array | undefined): string | null {
  return bytes ? createHash('sha256').update(bytes).digest('hex') : null;
}
