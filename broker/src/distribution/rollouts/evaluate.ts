/** Should the open wave go on, stop, or wait? A pure decision over what its devices have reported. */
import type { RolloutView } from '../../ledger/contract/views.ts';

export interface WaveTally {
  /** Enrolled devices whose turn is in this wave. */
  devices: number;
  /** Of these, how many are done with the release: updated, reverted or refused. */
  finished: number;
  /** Of the finished, how many are not on the new release. */
  failed: number;
  /** Of the failed, how many have said nothing in their time. */
  silent: number;
}

export type Decision =
  | { op: 'wait' }
  | { op: 'pause'; reason: string }
  /** The open waves are through; `advance` opens the next one. */
  | { op: 'advance'; reason: string };

/** Failures that an operator has seen and accepted by resuming after a pause. */
export interface Accepted {
  wave: number;
  finished: number;
  failed: number;
}

/**
 * The newest open wave is judged when enough of it has reported: not before, so that every device of it tries and the
 * operator sees the whole damage of one wave, and no more than that.
 * @param fleetDevices enrolled devices of the class: a wave of nobody is passed over only where there is a fleet
 */
export function evaluateWave(
  view: RolloutView,
  tally: readonly WaveTally[],
  fleetDevices: number,
  accepted?: Accepted,
): Decision {
  const wave = view.waves[view.wave]!;
  const { devices, finished, failed, silent } = tally[view.wave]!;
  const expected = expectedDevices(wave.devices, devices);
  if (expected === 0) return fleetDevices > 0 ? advanceFrom(view, 'nobody in this wave') : { op: 'wait' };
  if (finished * 100 < wave.reportedPercentMin * expected || finished === 0) return { op: 'wait' };
  const quiet = silent === 0 ? '' : `, ${silent} of them by saying nothing in time`;
  const text = `${failed} of ${finished} devices failed in wave ${view.wave + 1}${quiet}`;
  const known = accepted?.wave === view.wave ? accepted : { finished: 0, failed: 0 };
  if ((failed - known.failed) * 100 > wave.failurePercentMax * Math.max(0, finished - known.finished)) {
    return { op: 'pause', reason: `${text}, at most ${wave.failurePercentMax} % are allowed` };
  }
  return advanceFrom(view, `${text}, ${finished} of ${expected} have reported`);
}

function advanceFrom(view: RolloutView, reason: string): Decision {
  return view.wave + 1 < view.waves.length ? { op: 'advance', reason } : { op: 'wait' };
}

/**
 * The person signed a count, and that is what must report; but revoked devices never will, and a plan made before the
 * fleet was enrolled counts nobody.
 */
function expectedDevices(planned: number, enrolled: number): number {
  return planned === 0 ? enrolled : Math.min(planned, enrolled);
}
