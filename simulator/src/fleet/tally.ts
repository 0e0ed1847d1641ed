/** Each device counted once, by its state now; the four sum to the fleet. */
import type { Fleet } from './fleet.ts';
import type { VirtualDevice } from './virtual-device.ts';

export const STANDINGS = ['updated', 'reverted', 'refused', 'stuck'] as const;
export type Standing = (typeof STANDINGS)[number];
export type Tally = Record<Standing, number>;

/** What a device may run at best: the newest release that was rolled out to it and not withdrawn before it came. */
export interface Goal {
  /** The release that is rolled out, or was last. */
  sequence: number;
  /** Its rollout is open. */
  open: boolean;
}

/** Refusals that say "not you" or "not now": there is nothing the device could do. */
const NOT_OFFERED: ReadonlySet<string> = new Set(['NOT_OPEN', 'NOT_IN_COHORT']);
/** Refusals that pass by themselves: the device is at it, or will be. */
const PASSING: ReadonlySet<string> = new Set(['LINK_LOST', 'BAD_FRAME', 'BUSY', 'RATE_LIMITED', 'VETO', 'UNREACHABLE']);

/** The release is meant for this device, and the device cannot hold it. */
const FINAL: ReadonlySet<string> = new Set(['NO_SPACE', 'NO_MEMORY', 'NO_STAGING', 'FAILED_BEFORE']);

/** Where a device stands; undefined while it may still get further. */
export function standing(device: VirtualDevice, goal: Goal): Standing | undefined {
  const { state, attempt, refusal } = device;
  if (device.stuck !== undefined) return 'stuck';
  if (!state || !isQuiet(device)) return undefined;
  if (attempt?.outcome === 'reverted' && attempt.sequence >= state.running.sequence) return 'reverted';
  if (state.running.sequence >= goal.sequence) return 'updated';
  // The device's own word about what is announced now, given since it was last connected.
  if (refusal && NOT_OFFERED.has(refusal.code)) return 'updated';
  if (refusal && FINAL.has(refusal.code)) return 'refused';
  // Nothing is offered any more, so nothing newer may be had. What it refused was a damaged message, or another's.
  if (!goal.open) return 'updated';
  return refusal && !PASSING.has(refusal.code) ? 'refused' : undefined;
}

/** Nothing is under way. What a paused rollout has interrupted waits in the journal, and may wait for ever. */
function isQuiet(device: VirtualDevice): boolean {
  if (device.idle) return true;
  const { state, refusal, connected } = device;
  const interrupted = state?.pending !== undefined && state.pending.phase !== 'trial' && state.outbox.length === 0;
  return connected && interrupted && refusal !== undefined && NOT_OFFERED.has(refusal.code);
}

/** At the end, whoever has not arrived is stuck. */
export function tally(fleet: Fleet, goal: Goal): Tally {
  const counts: Tally = { updated: 0, reverted: 0, refused: 0, stuck: 0 };
  for (const device of fleet.devices) counts[standing(device, goal) ?? 'stuck']++;
  return counts;
}

/**
 * True when no device has anything left to do. A refusal settles a device only after it has had time to ask again: what
 * it refused may have been a message that the network damaged.
 */
export function isSettled(fleet: Fleet, goal: Goal): boolean {
  const patienceMs = fleet.isCalm ? 0 : 1500 * fleet.askSeconds;
  return fleet.devices.every((device) => {
    const where = standing(device, goal);
    return where === 'refused' ? fleet.elapsedMs() - device.refusal!.at >= patienceMs : where !== undefined;
  });
}

/** True when every device is through with the release that is rolled out, one way or the other. */
export function hasArrived(fleet: Fleet, goal: Goal): boolean {
  return isSettled(fleet, goal) && fleet.devices.every((device) => isThrough(device, goal));
}

function isThrough(device: VirtualDevice, goal: Goal): boolean {
  const arrived = (device.state?.running.sequence ?? 0) >= goal.sequence;
  return arrived || !goal.open || standing(device, goal) !== 'updated';
}
