/** What people decide about a rollout: open with the whole plan, pause, resume, abort, advance. */
import { demand, Refusal } from '@countersign/device-sdk';
import { objectDigest, type Plan, readRolloutArgs } from './args.ts';
import { type Call, changed, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { checkPlan } from './plan.ts';
import { productOf } from './releases.ts';
import { type Permit, personWith } from './rights.ts';
import { fromHex, type RolloutState, read, remove, toHex, write } from './state.ts';
import { checkTried } from './trials.ts';

/** @throws Refusal NOT_PERMITTED, MALFORMED, BAD_STATEMENT, NOT_FOUND, EXISTS, NOT_APPROVED */
export async function rollout(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['operator'], 'a rollout');
  const args = readRolloutArgs(entry.tx.args);
  const rolloutId = args.op === 'open' ? args.plan.rolloutId : args.rolloutId;
  const digest = toHex(objectDigest(call.verifier.sha256, 'rollout', rolloutId));
  demand(toHex(entry.tx.object) === digest, 'BAD_STATEMENT', `the object is not rollout ${toHex(rolloutId)}`);
  if (args.op === 'open') return open(call, entry, permit, args.plan);
  const current = await read(call.stub, 'rollout', toHex(rolloutId));
  if (!current) throw new Refusal('NOT_FOUND', `there is no rollout ${toHex(rolloutId)}`);
  const { name } = permit.about(current.classId);
  const next = { ...current, ...decide(current, args.op), reason: args.reason };
  if (current.state === 'planned') await remove(call.stub, 'planned', current.classId);
  await store(call, entry, name, next);
}

async function open(call: Call, entry: TransactionEntry, permit: Permit, plan: Plan): Promise<void> {
  checkPlan(plan);
  const rolloutId = toHex(plan.rolloutId);
  const releaseLeaf = toHex(plan.releaseLeaf);
  demand(!(await read(call.stub, 'rollout', rolloutId)), 'EXISTS', `rollout ${rolloutId} is there already`);
  const release = await read(call.stub, 'release', releaseLeaf);
  if (!release) throw new Refusal('NOT_FOUND', `there is no release ${releaseLeaf}`);
  const { name } = permit.about(release.classId);
  demand(release.state === 'confirmed', 'NOT_APPROVED', `the release is ${release.state}, not confirmed`);
  await checkTried(call, await productOf(call, release), release);
  await supersedePlanned(call, entry, name, release.classId, rolloutId);
  await write(call.stub, 'planned', [release.classId], { rolloutId });
  await store(call, entry, name, {
    rolloutId,
    classId: release.classId,
    releaseLeaf,
    sequence: release.sequence,
    rolloutSequence: 0,
    state: 'planned',
    pending: 'open',
    wave: 0,
    waves: plan.waves.map((wave) => ({
      ...wave,
      cohorts: wave.cohorts.map((cohort) => ('root' in cohort ? { root: toHex(cohort.root) } : cohort)),
    })),
    window: plan.window ?? null,
    jitterSeconds: plan.jitterSeconds,
    attemptsMax: plan.attemptsMax,
    block2Digest: null,
    rolloutDigest: null,
    statementLeaf: null,
    openedBy: name,
    reason: null,
  });
}

/** A plan that was never carried out ends here: a thief of the command key could otherwise bring it out later. */
async function supersedePlanned(call: Call, entry: TransactionEntry, name: string, classId: string, next: string) {
  const planned = await read(call.stub, 'planned', classId);
  const former = planned && (await read(call.stub, 'rollout', planned.rolloutId));
  if (former) await end(call, entry, former, name, next);
}

/** Ends a rollout that another one takes the place of. */
export async function end(
  call: Call,
  entry: { leafHash: Uint8Array } & Parameters<typeof stampOf>[0],
  former: RolloutState,
  signer: string,
  next: string,
): Promise<void> {
  const reason = `superseded by ${next}`;
  const ended: RolloutState = { ...former, state: 'aborted', pending: null, reason };
  await write(call.stub, 'rollout', [former.rolloutId], {
    ...ended,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'rollout', signer),
  });
  const digest = objectDigest(call.verifier.sha256, 'rollout', fromHex(former.rolloutId));
  await changed(call, entry, digest, 'rollout', former.rolloutId);
}

/** What a person's word does to a rollout. An abort is final: nothing overrides it. */
function decide(
  r: RolloutState,
  op: 'pause' | 'resume' | 'abort' | 'advance',
): Pick<RolloutState, 'state' | 'pending'> {
  const { state, pending } = r;
  const refuse = () =>
    new Refusal('BAD_STATEMENT', `${op}: the rollout is ${state}${pending ? `, ${pending} pending` : ''}`);
  if (state === 'aborted' || pending === 'abort') throw refuse();
  if (op === 'abort') return state === 'planned' ? { state: 'aborted', pending: null } : { state, pending: 'abort' };
  if (op === 'pause' && state === 'open') return { state, pending: 'pause' };
  if (op === 'pause' && pending === 'resume') return { state, pending: null };
  if (op === 'resume' && state === 'paused') return { state, pending: 'resume' };
  if (op === 'resume' && pending === 'pause') return { state, pending: null };
  if (op === 'advance' && state === 'open' && pending === null && r.wave + 1 < r.waves.length) {
    return { state, pending: 'advance' };
  }
  throw refuse();
}

type Unstamped = Omit<RolloutState, 'previous' | 'entry' | 'action' | 'signer'>;

async function store(call: Call, entry: TransactionEntry, signer: string, r: Unstamped): Promise<void> {
  const stamp = { previous: toHex(entry.leafHash), ...stampOf(entry, 'rollout', signer) };
  await write(call.stub, 'rollout', [r.rolloutId], { ...r, ...stamp });
  await changed(call, entry, entry.tx.object, 'rollout', r.rolloutId);
}
