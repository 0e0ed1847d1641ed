/** A rollout's plan on its way between server and operator: the contract's own bytes, and the same for people to read. */
import { demand } from '@countersign/device-sdk';
import { decode, encode, hex, unhex } from '@countersign/device-sdk/format';
import { type Plan, readRolloutArgs, rolloutArgs } from '../../ledger/contract/args.ts';

export interface PlanJson {
  rolloutId: string;
  releaseLeaf: string;
  waves: {
    cohorts: ({ threshold: number } | { root: string })[];
    failurePercentMax: number;
    reportedPercentMin: number;
    devices: number;
  }[];
  window: { start: number; end: number | null } | null;
  jitterSeconds: number;
  attemptsMax: number;
}

export function planJson(plan: Plan): PlanJson & { args: string } {
  return { ...shown(plan), args: hex(encode(rolloutArgs({ op: 'open', plan }))) };
}

/** What is signed is what `args` says; what people are shown is made from it, never taken from the server. */
export function readPlanJson(json: unknown): { plan: Plan; json: PlanJson } {
  const { args } = Object(json) as { args?: unknown };
  const bytes = typeof args === 'string' ? unhex(args) : undefined;
  demand(bytes, 'MALFORMED', "the server's answer is no plan");
  const action = readRolloutArgs(decode(bytes));
  demand(action.op === 'open', 'MALFORMED', `the server's answer is no plan but ${action.op}`);
  return { plan: action.plan, json: shown(action.plan) };
}

function shown(plan: Plan): PlanJson {
  return {
    rolloutId: hex(plan.rolloutId),
    releaseLeaf: hex(plan.releaseLeaf),
    waves: plan.waves.map((wave) => ({
      ...wave,
      cohorts: wave.cohorts.map((cohort) => ('root' in cohort ? { root: hex(cohort.root) } : cohort)),
    })),
    window: plan.window ?? null,
    jitterSeconds: plan.jitterSeconds,
    attemptsMax: plan.attemptsMax,
  };
}
