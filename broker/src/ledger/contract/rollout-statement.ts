/**
 * The rollout statement by the command key: it carries out what a person asked for, or what the plan allows without
 * asking, and makes the class's index entry anew as a whole. The key alone can stop a rollout and go through its
 * waves; it cannot start, resume or end one, nor point the class at another release.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { ABORTED, type Cohort, checkStatement, OPEN, PAUSED, type Rollout } from '@countersign/device-sdk/format';
import { objectDigest } from './args.ts';
import { type Call, changed, roleKey, rootOf, stampOf } from './call.ts';
import type { RolloutEntry } from './entry.ts';
import { sameCohorts, unionOfWaves } from './plan.ts';
import { end } from './rollouts.ts';
import { fromHex, type IndexState, type RolloutState, read, remove, toHex, write } from './state.ts';

/** @throws Refusal UNKNOWN_KEY, WRONG_ROLE, REVOKED, BAD_SIGNATURE, NOT_FOUND, BAD_STATEMENT, BAD_COUNTER, NOT_PERMITTED */
export async function rolloutStatement(call: Call, entry: RolloutEntry): Promise<void> {
  const { rollout: said, statement } = entry;
  checkStatement(call.verifier, statement, await roleKey(call, 'command', statement.kid));
  const id = toHex(said.rolloutId);
  const current = await read(call.stub, 'rollout', id);
  if (!current) throw new Refusal('NOT_FOUND', `there is no rollout ${id}`);
  checkSaysThePlan(said, current);
  const index = await read(call.stub, 'index', current.classId);
  const former = index && index.rolloutId !== id ? await read(call.stub, 'rollout', index.rolloutId) : undefined;
  const next = (index?.rolloutSequence ?? 0) + 1;
  const digest = toHex(call.verifier.sha256(entry.bytes));
  demand(digest !== index?.rolloutDigest, 'DUPLICATE', 'this exact statement has been logged already');
  demand(
    said.rolloutSequence === next,
    'BAD_COUNTER',
    `expected rollout sequence ${next}, got ${said.rolloutSequence}`,
  );
  const change = decide(said, current);
  const floor = await floorOf(call, said.classId);

  if (current.state === 'planned') await remove(call.stub, 'planned', current.classId);
  if (former && former.state !== 'aborted') await end(call, entry, former, 'command', id);
  await storeRollout(call, entry, { ...current, ...change, rolloutDigest: digest });
  await storeIndex(call, entry, current, digest, floor);
}

function checkSaysThePlan(said: Rollout, r: RolloutState): void {
  demand(toHex(said.releaseLeaf) === r.releaseLeaf, 'BAD_STATEMENT', 'the statement names another release');
  demand(toHex(said.classId) === r.classId, 'BAD_STATEMENT', 'the statement names another class');
  const window = said.window ?? null;
  const sameWindow = window?.start === r.window?.start && window?.end === r.window?.end;
  demand(sameWindow, 'BAD_STATEMENT', "the statement's window is not the plan's");
  const policy = said.jitterSeconds === r.jitterSeconds && said.attemptsMax === r.attemptsMax;
  demand(policy, 'BAD_STATEMENT', "jitter or attempts are not the plan's");
}

type Change = Pick<RolloutState, 'state' | 'pending' | 'wave'>;

function decide(said: Rollout, r: RolloutState): Change {
  // An aborted rollout stays so for ever: its waves can never be opened again by anybody.
  demand(r.state !== 'aborted', 'NOT_PERMITTED', 'the rollout is aborted');
  if (said.state === OPEN) return decideOpen(said, r);
  demand(r.state !== 'planned', 'NOT_PERMITTED', 'the rollout has never been opened');
  checkWave(said, r, r.wave);
  if (said.state === PAUSED) return { state: 'paused', pending: keptByPause(r), wave: r.wave };
  demand(said.state === ABORTED && r.pending === 'abort', 'NOT_PERMITTED', 'no person asked for an abort');
  return { state: 'aborted', pending: null, wave: r.wave };
}

function decideOpen(said: Rollout, r: RolloutState): Change {
  if (r.state === 'planned') {
    checkWave(said, r, 0);
    return { state: 'open', pending: null, wave: 0 };
  }
  if (r.state === 'paused') {
    demand(r.pending === 'resume', 'NOT_PERMITTED', 'the rollout is paused, and no person asked for it to go on');
    checkWave(said, r, r.wave);
    return { state: 'open', pending: null, wave: r.wave };
  }
  const stopping = r.pending === 'pause' || r.pending === 'abort';
  demand(!stopping, 'NOT_PERMITTED', `a person asked for ${r.pending}: only that can follow`);
  // The same wave again is allowed: a new block 2, after the distribution key was replaced, needs a new statement.
  const again = sameCohorts(said.cohorts, cohortsOf(r, r.wave));
  if (again) return { state: 'open', pending: r.pending, wave: r.wave };
  checkWave(said, r, r.wave + 1);
  return { state: 'open', pending: null, wave: r.wave + 1 };
}

/** The pause that was asked for is done; a resume or an abort that a person asked for still stands. */
function keptByPause({ pending }: RolloutState): RolloutState['pending'] {
  return pending === 'resume' || pending === 'abort' ? pending : null;
}

/** @throws Refusal BAD_STATEMENT unless the cohorts are those of waves 0 to `wave` */
function checkWave(said: Rollout, r: RolloutState, wave: number): void {
  demand(wave < r.waves.length, 'BAD_STATEMENT', `the plan has ${r.waves.length} waves`);
  const same = sameCohorts(said.cohorts, cohortsOf(r, wave));
  demand(same, 'BAD_STATEMENT', `the cohorts are not those of waves 0 to ${wave}`);
}

function cohortsOf(r: RolloutState, wave: number): Cohort[] {
  const waves = r.waves.map(({ cohorts }) => ({
    cohorts: cohorts.map((cohort) => ('root' in cohort ? { root: fromHex(cohort.root) } : cohort)),
  }));
  return unionOfWaves(waves, wave);
}

async function storeRollout(call: Call, entry: RolloutEntry, r: RolloutState): Promise<void> {
  const leaf = toHex(entry.leafHash);
  await write(call.stub, 'rollout', [r.rolloutId], {
    ...r,
    rolloutSequence: entry.rollout.rolloutSequence,
    block2Digest: toHex(entry.rollout.block2Digest),
    statementLeaf: leaf,
    previous: leaf,
    ...stampOf(entry, 'rollout', 'command'),
  });
  const digest = objectDigest(call.verifier.sha256, 'rollout', entry.rollout.rolloutId);
  await changed(call, entry, digest, 'rollout', r.rolloutId);
}

async function storeIndex(call: Call, entry: RolloutEntry, r: RolloutState, digest: string, floor: number) {
  const index: IndexState = {
    classId: r.classId,
    releaseLeaf: r.releaseLeaf,
    sequence: r.sequence,
    rolloutDigest: digest,
    rolloutSequence: entry.rollout.rolloutSequence,
    state: entry.rollout.state,
    floor,
    rolloutId: r.rolloutId,
    statementLeaf: toHex(entry.leafHash),
    ...stampOf(entry, 'rollout', 'command'),
  };
  await write(call.stub, 'index', [r.classId], index);
}

/** The index carries the trust root's floor, so that a device behind on roots still learns of it. */
async function floorOf(call: Call, classId: Uint8Array): Promise<number> {
  const { floors } = await rootOf(call);
  return floors.find((item) => toHex(item.classId) === toHex(classId))?.floor ?? 0;
}
