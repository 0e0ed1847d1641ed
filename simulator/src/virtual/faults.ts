/** What the virtual network does to messages: each fate is a function of (seed, device, number of its message). */
import { Prng } from '@countersign/device-sdk/rig';
import type { FaultRates } from '../fleet/faults.ts';

export interface VirtualRates extends FaultRates {
  /** Share of messages that a lying gateway alters, or replaces by one that it heard before; 0 to 1. */
  lie: number;
}

export const NO_VIRTUAL_FAULTS: VirtualRates = { loss: 0, powerCut: 0, lie: 0 };

export type Fate =
  | { kind: 'lost' | 'disconnected' }
  /** It comes `ms` later than it should, and what was sent after it may be there before. */
  | { kind: 'late'; ms: number }
  /** It comes, and comes again. */
  | { kind: 'twice'; ms: number }
  /** One bit of it is another. */
  | { kind: 'altered'; draw: number }
  /** Something of its kind that was heard before comes in its place. */
  | { kind: 'replayed'; draw: number };

/** A radio that was out of reach, or a queue somewhere on the way. */
const LATE_MS_MAX = 3_000;

/** @returns undefined where it arrives as it was sent */
export function fateOf(seed: string, device: number, number: number, { loss, lie }: VirtualRates): Fate | undefined {
  if (loss <= 0 && lie <= 0) return undefined;
  const random = new Prng(seed, 'network', device, number);
  const fraction = random.fraction();
  if (fraction < loss) return misfortune(random);
  if (fraction < loss + lie) return { kind: random.oneIn(2) ? 'altered' : 'replayed', draw: random.next() };
  return undefined;
}

function misfortune(random: Prng): Fate {
  const ms = 1 + random.below(LATE_MS_MAX);
  switch (random.below(8)) {
    case 0:
      return { kind: 'disconnected' };
    case 1:
    case 2:
      return { kind: 'twice', ms };
    case 3:
    case 4:
      return { kind: 'late', ms };
    default:
      return { kind: 'lost' };
  }
}

export function altered(bytes: Uint8Array, draw: number): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) copy[(draw >>> 3) % copy.length]! ^= 1 << (draw & 7);
  return copy;
}
