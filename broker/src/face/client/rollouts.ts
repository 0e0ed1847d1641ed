/** Rollouts, as operators decide them: the server works out the plan, a person reads and signs it. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, demand } from '@countersign/device-sdk';
import { equal, hex, ID_BYTES, type Signer, unhex } from '@countersign/device-sdk/format';
import type { WaveRequest } from '../../distribution/rollouts/waves.ts';
import { objectDigest, type Plan, rolloutArgs } from '../../ledger/contract/args.ts';
import type { RolloutView, TotalsView } from '../../ledger/contract/views.ts';
import type { FleetApplies } from '../../passport/fleet.ts';
import { type PlanJson, readPlanJson } from '../api/plan-json.ts';
import type { CommittedView } from '../api/views.ts';
import { readFleetApplies } from './fleet-applies.ts';
import { getProvenRelease, waitForRelease } from './releases.ts';
import { inPath, perform, type Session } from './session.ts';

export interface RolloutWish {
  /** In order; without any, one wave with every device. */
  waves?: WaveRequest[];
  window?: { start: number; end: number | null };
  jitterSeconds?: number;
  attemptsMax?: number;
  /** Also where it applies to none of the devices that have a passport. */
  anyway?: boolean;
}

export interface Opened extends CommittedView {
  rolloutId: string;
  plan: PlanJson;
  /** The server's word, as it was planned. */
  applies: FleetApplies;
  /** Rollouts of the class that are under way: they end when this one opens. */
  ends: string[];
}

/** The confirmation takes a second after an approval, the cosignatures one more; a server or peer that starts anew, some. */
const READY_MS_MAX = 60_000;
const RETRY_MS = 500;

/**
 * What comes by itself after an approval is waited for, a minute each: the confirmation, then the peers' cosignatures.
 * @param release leaf hash, prefix or PRODUCT@VERSION of a release that is approved
 * @param waiting hears once for what it waits
 * @throws Refusal BAD_STATEMENT where the plan is for another release than asked; NOT_APPROVED, and NO_QUORUM when the
 * time is over; the code of most devices where it applies to none of those that have a passport
 */
export async function openRollout(
  session: Session,
  signer: Signer,
  release: string,
  wish: RolloutWish = {},
  waiting: (text: string) => void = () => undefined,
): Promise<Opened> {
  const { releaseLeaf, classId, state } = await getProvenRelease(session, release);
  if (state === 'approved') {
    waiting('approved; waiting for the collection server to confirm it …');
    await waitForRelease(session, releaseLeaf, 'confirmed', READY_MS_MAX);
  }
  const waves = wish.waves?.length ? wish.waves : [{ percent: 100 }];
  const answer = await askForPlan(session, { release: releaseLeaf, ...wish, waves }, waiting);
  const { plan, json } = readPlanJson(answer);
  const applies = readFleetApplies(Object(answer).applies);
  checkPlan(plan, unhex(releaseLeaf)!, waves.length);
  const object = objectDigest(session.verifier.sha256, 'rollout', plan.rolloutId);
  const deed = { action: 'rollout', object, args: rolloutArgs({ op: 'open', plan }) } as const;
  const ends = await underWay(session, classId);
  return { ...(await perform(session, signer, deed)), rolloutId: hex(plan.rolloutId), plan: json, applies, ends };
}

async function underWay({ api }: Session, classId: string): Promise<string[]> {
  const all = (await api.get('/api/v1/rollouts')) as RolloutView[];
  const current = all.filter((r) => r.classId === classId && (r.state === 'open' || r.state === 'paused'));
  return current.map(({ rolloutId }) => rolloutId);
}

async function askForPlan({ api }: Session, request: object, waiting: (text: string) => void): Promise<unknown> {
  const deadline = performance.now() + READY_MS_MAX;
  for (let tries = 0; ; tries++) {
    try {
      return await api.post('/api/v1/rollouts/plan', request);
    } catch (error) {
      if (codeOf(error) !== 'NO_QUORUM' || performance.now() > deadline) throw error;
      if (tries === 0) waiting(`${(error as Error).message}; waiting a minute at most for more of them …`);
      await sleep(RETRY_MS);
    }
  }
}

export type RolloutOp = 'pause' | 'resume' | 'abort' | 'advance';

export async function controlRollout(
  session: Session,
  signer: Signer,
  op: RolloutOp,
  name: string,
  reason: string,
): Promise<CommittedView & { rolloutId: string }> {
  const { rolloutId, previous } = await getRollout(session, name);
  const id = unhex(rolloutId);
  demand(id?.length === ID_BYTES, 'MALFORMED', "the server's answer is no rollout");
  const object = objectDigest(session.verifier.sha256, 'rollout', id);
  const args = rolloutArgs({ op, rolloutId: id, reason });
  return { ...(await perform(session, signer, { action: 'rollout', object, previous, args })), rolloutId };
}

/** @param name rollout id, or 8 or more of its first digits */
export async function getRollout({ api }: Session, name: string): Promise<RolloutView & { totals: TotalsView }> {
  const rollout = (await api.get(`/api/v1/rollouts/${inPath(name)}`)) as RolloutView & { totals: TotalsView };
  demand(rollout.rolloutId?.startsWith(name), 'BAD_STATEMENT', `the server answers with another rollout than ${name}`);
  return rollout;
}

export interface Progress {
  /** Devices of each wave, how many of them are done, how many of these failed, and of those by saying nothing. */
  waves: { devices: number; finished: number; failed: number; silent: number }[];
  /** Why the distribution server paused it by itself, if it did. */
  pause: { reason: string; at: number } | null;
  /** Why something that is due has not been done yet. */
  problem: { code: string; text: string; at: number } | null;
}

/** What only the distribution server knows; null where another server answers. */
export async function rolloutProgress({ api }: Session, rolloutId: string): Promise<Progress | null> {
  try {
    const { waves, pause, problem } = (await api.get(`/api/v1/rollouts/${inPath(rolloutId)}/progress`)) as Progress;
    return { waves, pause, problem };
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return null;
    throw error;
  }
}

/** The server chose id, thresholds and groups; release and number of waves are what the operator asked for. */
function checkPlan(plan: Plan, releaseLeaf: Uint8Array, waves: number): void {
  demand(equal(plan.releaseLeaf, releaseLeaf), 'BAD_STATEMENT', 'not signed: the plan is for another release');
  demand(plan.waves.length === waves, 'BAD_STATEMENT', `not signed: the plan has ${plan.waves.length} waves`);
}

/** Device ids are random, so that they say nothing about a device or its owner. */
export function randomDeviceId(): Uint8Array {
  return new Uint8Array(randomBytes(ID_BYTES));
}
