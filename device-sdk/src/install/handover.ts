/**
 * The journal has confirmed an image and the boot loader has not: power went between the two. The journal is right (the
 * image passed its test), so the loader is told again; but not for ever, because an image may pass once and then never
 * boot again, and the slots would take turns without end.
 *
 *   journal: one more repeat      cut here: counted and not done, so fewer are left
 *   loader: setTrial → restart    the image boots: it is confirmed; it does not: the loader comes back here
 *   repeats used up               journal: what runs, failed, report, one record; the device stays where it is
 *
 * The floor stays where the confirmation put it: it governs what is installed next, and stops nothing that runs.
 */
import type { Code } from '../errors.ts';
import { holds } from '../fetch/target.ts';
import { makeReport, type ReportPorts } from '../report/reports.ts';
import { other } from '../store/slots.ts';
import { addFailure, addTold, type Handover } from '../store/state.ts';

/** One cut explains one repeat; the others are for a supply that fails again at the same moment. */
export const HANDOVERS_MAX = 3;

/** @returns 'restart' when the boot loader must boot the confirmed slot; 'running' when this one is kept */
export async function handOver(p: ReportPorts): Promise<'running' | 'restart'> {
  const { store, boot } = p;
  const { running, handover = { repeats: 0, attempt: 0 } } = store.state;
  const intact = holds(p, running.slot, running.image);
  if (handover.repeats < HANDOVERS_MAX && intact) {
    store.commit({ handover: { ...handover, repeats: handover.repeats + 1 } });
    boot.setTrial(running.slot);
    boot.restart();
    return 'restart';
  }
  await stay(p, handover, intact ? 'BOOT_FAILED' : 'RESULT_MISMATCH');
  return 'running';
}

/**
 * What runs is the release before, where it is known and is what lies in the slot. A journal that has lost its newest
 * values knows no better: no delta fits then, and the full image of the next release brings it back in step.
 */
async function stay(p: ReportPorts, { former, rolloutId, attempt }: Handover, code: Code): Promise<void> {
  const { store, boot } = p;
  const { running, failed, told } = store.state;
  const slot = boot.running();
  if (former?.slot !== slot || !holds(p, slot, former.image)) return;
  const { manifestDigest } = running;
  const report = await makeReport(p, {
    kind: 'reverted',
    code,
    rolloutId,
    attempt,
    manifestDigest,
    stages: [
      ['trial', code],
      ['revert', 'OK'],
    ],
  });
  store.commit({
    running: former,
    handover: undefined,
    failed: addFailure(failed, manifestDigest, 2),
    ...(rolloutId && { told: addTold(told, { manifestDigest, rolloutId, code }) }),
    ...report,
  });
  boot.markUnbootable(other(slot));
}
