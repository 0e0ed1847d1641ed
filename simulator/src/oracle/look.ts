/** One device, seen from outside: what boots, what lies there, what the device believes. For before and after. */
import { createHash } from 'node:crypto';
import { bootRegion } from '@countersign/device-sdk/rig';
import type { VirtualDevice } from '../fleet/virtual-device.ts';

export interface Look {
  slot: number;
  /** SHA-256 of the whole boot slot. */
  slotDigest: string;
  /** Sequence, floor and rollout sequence as its store has them; null before the first boot. */
  believes: { sequence: number; floor: number; rolloutSequence: number } | null;
}

export function lookAt({ board, state }: VirtualDevice): Look {
  const slot = board.boot.booted?.slot ?? ('record' in board.boot ? board.boot.record.good : 0);
  const slotDigest = createHash('sha256').update(bootRegion(board).dump()).digest('hex');
  const believes = state
    ? { sequence: state.running.sequence, floor: state.floor, rolloutSequence: state.rolloutSequence }
    : null;
  return { slot, slotDigest, believes };
}

/** A device that had never been on cannot have believed anything: then the slot alone is compared. */
export function sameLook(before: Look, after: Look): boolean {
  const same = before.slot === after.slot && before.slotDigest === after.slotDigest;
  if (before.believes === null) return same;
  return same && JSON.stringify(before.believes) === JSON.stringify(after.believes);
}
