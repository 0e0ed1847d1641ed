/**
 * Carries out what people decided about rollouts, and what their plans allow: each step is one rollout statement by the
 * command key. Nothing is remembered between steps: the ledger says what is pending, so that a restart at any point
 * goes on where the ledger stands, and a statement that was logged already is refused there and done here.
 */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ABORTED,
  allComponents,
  hex,
  OPEN,
  PAUSED,
  type Rollout,
  readStatement,
  rolloutValue,
  type Signer,
  signStatement,
  unhex,
} from '@countersign/device-sdk/format';
import { logText } from '@countersign/device-sdk/host/command-words';
import { keyFor } from '@countersign/device-sdk/verify';
import type { LedgerClient } from '../../ledger/client.ts';
import { WAVES_MAX } from '../../ledger/contract/args.ts';
import { unionOfWaves } from '../../ledger/contract/plan.ts';
import type { HistoryItem, OrderView, RolloutView } from '../../ledger/contract/views.ts';
import { BoundedMap } from '../bounded-map.ts';
import type { Payloads } from '../payloads.ts';
import type { Log, ServerClock } from '../ports.ts';
import type { Releases, SignedRelease } from '../releases.ts';
import type { Witness } from '../witness.ts';
import { evaluateWave, type WaveTally } from './evaluate.ts';
import { type Fleet, tallyWaves } from './fleet.ts';
import type { Groups } from './groups.ts';
import { dueAt, type Offer } from './leases.ts';
import type { PauseNotes } from './notes.ts';
import { waveOfEach, wavesOf } from './waves.ts';

/** Every wave of a plan in one go, and what a person may have asked for before: beyond that something goes in circles. */
const STEPS_MAX = WAVES_MAX + 4;

/** What an operator reads beside a rollout that was paused so. */
const BRAKE = 'the brake of the chain was pulled';

/** One for each class with a rollout; a class more costs one look into the ledger each time. */
const STATEMENTS_MAX = 1024;

/** Why a rollout stands still although something is to be done. */
export interface Problem {
  code: string;
  text: string;
  /** Seconds since the epoch. */
  at: number;
}

export interface RolloutDriver {
  /** Does all that is pending; one problem does not hold up the other rollouts. @returns whether any is left undone */
  carryOut(): Promise<boolean>;
  problem(rolloutId: string): Problem | undefined;
  /** Class ids that a brake of the outside engine holds; undefined where the order has no brake of its own. */
  braked(): Promise<readonly string[] | undefined>;
  /** Devices per wave and how far they are. */
  tally(view: RolloutView): Promise<WaveTally[]>;
  /** What an open rollout offers to this device, as long as it has said nothing of it. */
  unanswered(deviceId: string, classId: string): Promise<Unanswered | undefined>;
}

/** A release that is offered to a device which has not spoken of it yet. */
export interface Unanswered {
  rolloutId: string;
  releaseLeaf: string;
  /** Seconds since the epoch: when it was offered, and by when its word is due. */
  since: number;
  due: number;
}

interface Parts {
  verifier: Verifier;
  ledger: LedgerClient;
  witness: Pick<Witness, 'root'>;
  releases: Releases;
  payloads: Payloads;
  groups: Groups;
  fleet: Fleet;
  notes: PauseNotes;
  command: Signer;
  clock: ServerClock;
  log: Log;
}

/** What one statement is to say beyond the plan. */
interface Step {
  op: string;
  state: number;
  wave: number;
  reason?: string;
}

export function rolloutDriver(parts: Parts): RolloutDriver {
  const { verifier, ledger, releases, payloads, fleet, notes, command, clock, log } = parts;
  const problems = new Map<string, Problem>();
  const turns = new Map<string, { version: number; waveOf: Map<string, number> }>();
  const offers = new Map<string, { statement: string; at: number }>();
  /** Which key signed the statement that stands, of the rollouts that are not over. */
  const statements = new BoundedMap<Uint8Array>(STATEMENTS_MAX);

  return {
    async carryOut() {
      const views = (await ledger.evaluate('listRollouts')) as RolloutView[];
      const held = new Set(await braked());
      // What stops devices goes out before what starts them.
      const active = views.filter(({ state }) => state !== 'aborted').sort((a, b) => urgency(a) - urgency(b));
      forgetAllBut(active);
      for (const view of active) await attempt(view, held.has(view.classId));
      return problems.size > 0;
    },
    problem: (rolloutId) => problems.get(rolloutId),
    braked,
    tally,
    unanswered,
  };

  async function braked(): Promise<readonly string[] | undefined> {
    const { outside } = (await ledger.evaluate('getOrder')) as OrderView;
    return outside?.braked;
  }

  async function attempt(view: RolloutView, held: boolean): Promise<void> {
    try {
      // Each statement may make the next one due: an empty wave is passed over at once.
      let current: RolloutView | undefined = view;
      for (let steps = 0; current && steps < STEPS_MAX; steps++) current = await advanceByOne(current, held);
      demand(!current, 'INTERNAL', `more than ${STEPS_MAX} statements for one rollout at once`);
      problems.delete(view.rolloutId);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      problems.set(view.rolloutId, { code: codeOf(error), text, at: clock.now() });
      const fields = { rollout: view.rolloutId, code: codeOf(error), text: logText(error) };
      log.warn(fields, 'rollout step failed, it will be tried again');
    }
  }

  /** @returns the rollout after the step, undefined when there is nothing to do now */
  async function advanceByOne(view: RolloutView, held: boolean): Promise<RolloutView | undefined> {
    const release = await releases.ensure(unhex(view.releaseLeaf)!);
    const step = held
      ? ((await heldStep(view)) ?? (view.state === 'open' ? undefined : await renewalStep(view, release)))
      : (pendingStep(view) ?? (await renewalStep(view, release)) ?? (await judgedStep(view)));
    if (!step) return undefined;
    // Devices ask for frames the moment they hear of a release: it is not opened before this server holds them.
    if (step.state === OPEN) await holdPayloads(release);
    await say(view, release, step);
    const after = (await ledger.evaluate('getRollout', view.rolloutId)) as RolloutView;
    demand(after.previous !== view.previous, 'CONFLICT', `${step.op}: the ledger did not move`);
    return after.state === 'aborted' ? undefined : after;
  }

  async function holdPayloads({ release }: SignedRelease): Promise<void> {
    for (const { branches } of allComponents(release.manifest))
      for (const { payload } of branches) await payloads.frames(payload);
  }

  /** Under the brake of the chain: what is open stands still, and nothing begins or goes on until it is let go. */
  async function heldStep(view: RolloutView): Promise<Step | undefined> {
    const { pending, wave } = view;
    if (pending === 'pause' || pending === 'abort') return pendingStep(view);
    demand(
      pending === null || view.state === 'open',
      'NOT_OPEN',
      `${pending}: the brake of the chain holds this product`,
    );
    if (view.state !== 'open') return undefined;
    // No failures are accepted by this: nobody is shown any when he resumes.
    await notes.put(view.rolloutId, { reason: BRAKE, at: clock.now(), wave, finished: 0, failed: 0 });
    return { op: 'pause', reason: BRAKE, state: PAUSED, wave };
  }

  /**
   * A new block 2, after the distribution key was replaced, is void until a statement names it; so is a statement whose
   * command key the trust root accepts no more.
   */
  async function renewalStep(view: RolloutView, release: SignedRelease): Promise<Step | undefined> {
    if (view.block2Digest === null || view.statementLeaf === null) return undefined;
    const stands = view.block2Digest === hex(release.block2Digest) && (await isAccepted(view.statementLeaf));
    if (stands) return undefined;
    return { op: 'renew', state: view.state === 'open' ? OPEN : PAUSED, wave: view.wave };
  }

  async function isAccepted(statementLeaf: string): Promise<boolean> {
    const { root } = parts.witness;
    const known = statements.get(statementLeaf);
    const kid = known ?? readStatement(await ledger.entry(unhex(statementLeaf)!), 'rollout').kid;
    statements.set(statementLeaf, kid);
    try {
      return Boolean(keyFor(verifier, root, 'command', kid));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return false;
    }
  }

  async function judgedStep(view: RolloutView): Promise<Step | undefined> {
    if (view.state !== 'open') return undefined;
    const counts = await tally(view);
    const fleetDevices = (await fleet.devices(view.classId)).size;
    const decision = evaluateWave(view, counts, fleetDevices, notes.get(view.rolloutId));
    if (decision.op === 'wait') return undefined;
    const { op, reason } = decision;
    if (op === 'advance') return { op, reason, state: OPEN, wave: view.wave + 1 };
    const { finished, failed } = counts[view.wave]!;
    await notes.put(view.rolloutId, { reason, at: clock.now(), wave: view.wave, finished, failed });
    return { op, reason, state: PAUSED, wave: view.wave };
  }

  async function say(view: RolloutView, { release, block2Digest }: SignedRelease, step: Step): Promise<void> {
    const statement: Rollout = {
      rolloutId: unhex(view.rolloutId)!,
      rolloutSequence: (await lastSequence(view.classId)) + 1,
      releaseLeaf: release.releaseLeaf,
      classId: release.manifest.classId,
      state: step.state,
      block2Digest,
      cohorts: unionOfWaves(wavesOf(view), step.wave),
      ...(view.window ? { window: view.window } : {}),
      jitterSeconds: view.jitterSeconds,
      attemptsMax: view.attemptsMax,
    };
    const bytes = await signStatement(verifier.sha256, 'rollout', rolloutValue(statement), command);
    const { op, reason, wave } = step;
    const fields = { rollout: view.rolloutId, op, wave: wave + 1, sequence: statement.rolloutSequence, reason };
    try {
      await ledger.submit(bytes);
      log.info(fields, 'rollout statement logged');
    } catch (error) {
      // The answer to an earlier try may have been lost, or a person was faster: the caller looks at what stands now.
      if (!ALREADY.has(codeOf(error))) throw error;
      log.info({ ...fields, code: codeOf(error) }, 'the ledger has moved on already');
    }
  }

  async function lastSequence(classId: string): Promise<number> {
    try {
      return ((await ledger.evaluate('getIndexEntry', classId)) as { rolloutSequence: number }).rolloutSequence;
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') return 0;
      throw error;
    }
  }

  async function tally(view: RolloutView): Promise<WaveTally[]> {
    const { version } = fleet;
    const devices = await fleet.devices(view.classId);
    const waveOf = await turnsOf(view, version, devices.keys());
    return tallyWaves(view, waveOf, devices, { offer: await offerOf(view), now: clock.now() });
  }

  async function unanswered(deviceId: string, classId: string): Promise<Unanswered | undefined> {
    const views = (await ledger.evaluate('listRollouts', classId)) as RolloutView[];
    const { version } = fleet;
    const devices = await fleet.devices(classId);
    for (const view of views) {
      const offer = await offerOf(view);
      if (!offer || devices.get(deviceId)?.rolloutId === view.rolloutId) continue;
      const wave = (await turnsOf(view, version, devices.keys())).get(deviceId);
      if (wave === undefined || wave > view.wave) continue;
      const { rolloutId, releaseLeaf } = view;
      return { rolloutId, releaseLeaf, since: offer.at, due: dueAt(undefined, offer)! };
    }
    return undefined;
  }

  /** What an open rollout offers. Each statement offers it anew: after a pause, nobody is late at once. */
  async function offerOf({ rolloutId, state, statementLeaf, jitterSeconds, window }: RolloutView) {
    if (state !== 'open' || statementLeaf === null) return undefined;
    const known = offers.get(rolloutId);
    const at = known?.statement === statementLeaf ? known.at : await loggedAt(rolloutId, statementLeaf);
    if (at === undefined) return undefined;
    offers.set(rolloutId, { statement: statementLeaf, at });
    return { at, jitterSeconds, window } satisfies Offer;
  }

  async function loggedAt(rolloutId: string, leaf: string): Promise<number | undefined> {
    const history = (await ledger.evaluate('getHistory', rolloutId)) as HistoryItem[];
    return history.find(({ leafHash }) => leafHash === leaf)?.time;
  }

  /** One hash per device and rollout, made anew only when someone is enrolled or revoked. */
  async function turnsOf(view: RolloutView, version: number, ids: Iterable<string>): Promise<Map<string, number>> {
    const known = turns.get(view.rolloutId);
    if (known?.version === version) return known.waveOf;
    const waveOf = await waveOfEach(verifier.sha256, parts.groups, view, ids);
    turns.set(view.rolloutId, { version, waveOf });
    return waveOf;
  }

  function forgetAllBut(active: readonly RolloutView[]): void {
    const ids = new Set(active.map(({ rolloutId }) => rolloutId));
    for (const map of [problems, turns, offers]) for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
  }
}

/** Refusals that say: this was logged already, or the rollout stands elsewhere than we thought. */
const ALREADY: ReadonlySet<string> = new Set(['DUPLICATE', 'CONFLICT', 'BAD_COUNTER', 'EXISTS']);

function urgency({ pending }: RolloutView): number {
  return pending === 'abort' || pending === 'pause' ? 0 : 1;
}

/** What a person asked for. */
function pendingStep(view: RolloutView): Step | undefined {
  const { pending, wave } = view;
  switch (pending) {
    case null:
      return undefined;
    case 'open':
      return { op: pending, state: OPEN, wave: 0 };
    case 'resume':
      return { op: pending, state: OPEN, wave };
    case 'advance':
      return { op: pending, state: OPEN, wave: wave + 1 };
    case 'pause':
      return { op: pending, state: PAUSED, wave };
    case 'abort':
      return { op: pending, state: ABORTED, wave };
    default:
      throw new Refusal('UNSUPPORTED', `the ledger asks for ${String(pending)}`);
  }
}
