/**
 * Trial, confirm, revert: what happens at every boot before anything else. Ordinary boots and boots after a power cut
 * walk the same path; every step may be repeated.
 *
 *   journal: phase trial      → loader: setTrial → restart
 *   new image boots           → self-test
 *     passed                  → journal: running, floor, report, one record → loader: confirm → old slot unbootable
 *     failed                  → journal: reason → restart: the loader goes back
 *   old image boots again     → journal: failed, report
 *
 * With one slot the image has been written by the boot stage before it boots (boot-in-place.ts). One that fails its test
 * stays, for there is no other; what runs is told as it is, and the next release mends it.
 *
 * A cut between the confirming record and the loader's confirm makes the loader go back although the journal has
 * confirmed: the loader is told again, a few times (handover.ts).
 */

import { within } from '../deadline.ts';
import { holds, isOneSlot, runsPending } from '../fetch/target.ts';
import type { StageCode } from '../format/report.ts';
import type { Health, Timer } from '../ports.ts';
import { type Finding, makeReport, type Reported, type ReportPorts } from '../report/reports.ts';
import type { Pending } from '../store/pending.ts';
import { other } from '../store/slots.ts';
import { addFailure, addTold, type RunningRelease } from '../store/state.ts';
import { handOver } from './handover.ts';

export interface TrialPorts extends ReportPorts {
  health: Health;
  timer: Timer;
}

/** A trial that ended without a word (power, watchdog) is tried again so often; the image may not have been at fault. */
export const SILENT_TRIALS_MAX = 2;

export type Settled = 'running' | 'restart';

/**
 * Brings journal and boot loader to agreement.
 * @returns 'restart' when the loader must boot again; the caller then does nothing more
 */
export async function settleBoot(p: TrialPorts): Promise<Settled> {
  const { pending, running } = p.store.state;
  const slot = p.boot.running();
  if (pending?.phase === 'trial') return runsPending(p) ? judgeTrial(p, pending) : afterRevert(p, pending);
  if (slot !== running.slot) {
    if (!p.boot.onTrial()) return handOver(p);
    // A trial that the journal knows nothing of (its record was lost) goes back by itself: it is not confirmed.
    p.boot.restart();
    return 'restart';
  }
  if (p.boot.onTrial()) p.boot.confirm();
  p.boot.markUnbootable(other(running.slot));
  return 'running';
}

/** The journal says trial before the loader does: a cut between them is seen as a trial that ended without a word. */
export async function beginTrial(p: TrialPorts, pending: Pending, stages: Finding['stages']): Promise<void> {
  const next: Pending = {
    ...pending,
    phase: 'trial',
    attempt: pending.attempt + 1,
    progress: undefined,
    failure: undefined,
  };
  const report = await reportOn(p, next, 'trial', 'OK', stages);
  p.store.commit({ pending: next, handover: undefined, ...report });
  p.boot.setTrial(next.slot);
}

async function judgeTrial(p: TrialPorts, pending: Pending): Promise<Settled> {
  const code = pending.failure ?? (await testImage(p, pending));
  if (code === 'OK') {
    await confirm(p, pending);
    return 'running';
  }
  if (isOneSlot(p.slots)) return stayFailed(p, pending, code);
  // The reason is stored before the restart: the image that failed cannot be asked afterwards.
  p.store.commit({ pending: { ...pending, failure: code } });
  p.boot.restart();
  return 'restart';
}

/** Not confirmed, so the floor stays where it is; not tried again either, and the next delta is from what lies there. */
async function stayFailed(p: TrialPorts, pending: Pending, code: StageCode): Promise<Settled> {
  const report = await reportOn(p, pending, 'reverted', code, [
    ['trial', code],
    ['revert', 'UNSUPPORTED'],
  ]);
  const { failed, told } = p.store.state;
  p.store.commit({
    running: releaseOf(pending),
    failed: addFailure(failed, pending.manifestDigest, 2),
    told: addTold(told, { ...pending, code }),
    pending: undefined,
    inPlace: undefined,
    ...report,
  });
  return 'running';
}

function releaseOf(pending: Pending): RunningRelease {
  const { sequence, manifestDigest, releaseLeaf, image, version, slot } = pending;
  return { sequence, manifestDigest, releaseLeaf, image, version, slot };
}

async function testImage(p: TrialPorts, pending: Pending): Promise<StageCode> {
  const { image, slot } = pending;
  if (!holds(p, slot, image)) return 'RESULT_MISMATCH';
  const work = async (): Promise<StageCode> => ((await p.health.selfTest()) === true ? 'OK' : 'SELF_TEST_FAILED');
  return within<StageCode>(p.timer, p.health.deadlineMs, work, 'TRIAL_TIMEOUT', 'SELF_TEST_FAILED');
}

async function confirm(p: TrialPorts, pending: Pending): Promise<void> {
  const { sequence, slot, rolloutId, attempt } = pending;
  const oneSlot = isOneSlot(p.slots);
  const report = await reportOn(p, pending, 'updated', 'OK', [
    ['trial', 'OK'],
    ['confirm', 'OK'],
  ]);
  p.store.commit({
    running: releaseOf(pending),
    floor: Math.max(p.store.state.floor, sequence),
    failed: [],
    pending: undefined,
    handover: oneSlot ? undefined : { repeats: 0, former: p.store.state.running, rolloutId, attempt },
    ...(oneSlot && { inPlace: undefined }),
    ...report,
  });
  p.boot.confirm();
  p.boot.markUnbootable(other(slot));
}

async function afterRevert(p: TrialPorts, pending: Pending): Promise<Settled> {
  const failure = pending.failure ?? p.boot.reason?.();
  const code = failure ?? 'BOOT_FAILED';
  const silent = failure === undefined && pending.attempt < Math.min(SILENT_TRIALS_MAX, pending.attemptsMax);
  if (silent) {
    // The image is still in its slot; the next announcement that verifies starts the trial again. What was staged for one
    // slot may have changed since it was proven: then nothing was written, and somebody should hear of it.
    const { inPlace } = p.store.state;
    const kept =
      !isOneSlot(p.slots) || (inPlace && p.slots.isStaged({ ...inPlace, ...pending }, p.store.verifier.sha256));
    const report = kept ? {} : await reportOn(p, pending, 'refused', 'BAD_FRAME', [['apply', 'BAD_FRAME']]);
    p.store.commit({ pending: { ...pending, phase: 'staged' }, ...report });
    return 'running';
  }
  const report = await reportOn(p, pending, 'reverted', code, [
    ['trial', code],
    ['revert', 'OK'],
  ]);
  const failed = addFailure(p.store.state.failed, pending.manifestDigest, 2);
  p.store.commit({ pending: undefined, failed, told: addTold(p.store.state.told, { ...pending, code }), ...report });
  p.boot.markUnbootable(pending.slot);
  return 'running';
}

/**
 * Takes back a trial that has not begun: its rollout was paused or aborted, or another release is current, while the
 * device waited for its restart. The loader first: a cut after it is seen as a trial that ended without a word.
 */
export async function withdrawTrial(p: TrialPorts, pending: Pending): Promise<void> {
  p.boot.markUnbootable(pending.slot);
  const report = await reportOn(p, pending, 'refused', 'NOT_OPEN', [['trial', 'NOT_OPEN']]);
  p.store.commit({ pending: { ...pending, phase: 'staged', attempt: pending.attempt - 1 }, ...report });
}

function reportOn(
  p: TrialPorts,
  { rolloutId, attempt, manifestDigest }: Pending,
  kind: Finding['kind'],
  code: StageCode,
  stages: Finding['stages'],
): Promise<Reported> {
  return makeReport(p, { kind, code, rolloutId, attempt, manifestDigest, stages });
}
