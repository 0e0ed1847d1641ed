/** What goes wrong, and when: each decision is a function of (seed, device, event number), never of who ran first. */
import { CUT_PHASES, type CutPhase, Prng } from '@countersign/device-sdk/rig';
import type { LinkFaults } from '../world/link-faults.ts';

export interface FaultRates {
  /** Share of network events that fail, 0 to 1. */
  loss: number;
  /** One power cut in so many operations on flash and boot record, on average; 0 for none. */
  powerCut: number;
}

export const NO_FAULTS: FaultRates = { loss: 0, powerCut: 0 };

/**
 * Faults of one connection's life: it breaks, or is slow. TCP loses nothing in between.
 * @param boot which boot of the device this link belongs to
 */
export function linkFaults(seed: string, device: number, boot: number, { loss }: FaultRates): LinkFaults | undefined {
  if (loss <= 0) return undefined;
  return ({ number }) => {
    const random = new Prng(seed, 'link', device, boot, number);
    if (random.fraction() >= loss) return undefined;
    return random.oneIn(2) ? { kind: 'drop' } : { kind: 'delay', ms: 20 + random.below(400) };
  };
}

/** What becomes of a frame behind the connection, where a gateway or a radio may lose or damage it. */
export type FrameFaults = (number: number, answer: Uint8Array) => Uint8Array | undefined;

export function frameFaults(seed: string, device: number, boot: number, { loss }: FaultRates): FrameFaults | undefined {
  if (loss <= 0) return undefined;
  return (number, answer) => {
    const random = new Prng(seed, 'frame', device, boot, number);
    if (random.fraction() >= loss) return answer;
    return random.oneIn(2) ? undefined : damaged(answer, random);
  };
}

function damaged(bytes: Uint8Array, random: Prng): Uint8Array {
  const copy = bytes.slice();
  copy[random.below(copy.length)]! ^= 1 << random.below(8);
  return copy;
}

export interface Cut {
  /** Operations from now on that succeed. */
  after: number;
  phase: CutPhase;
}

/** The next power cut after `cuts` earlier ones: a geometric distance, as every operation is equally likely. */
export function nextCut(seed: string, device: number, cuts: number, { powerCut }: FaultRates): Cut | undefined {
  if (powerCut < 1) return undefined;
  const random = new Prng(seed, 'power', device, cuts);
  const after = powerCut === 1 ? 0 : Math.floor(Math.log(1 - random.fraction()) / Math.log(1 - 1 / powerCut));
  return { after, phase: CUT_PHASES[random.below(CUT_PHASES.length)]! };
}

/** Milliseconds until a device is back: a restart is quick, a power cut lasts longer, an owner takes his time. */
export function restMs(seed: string, device: number, boot: number, why: 'restart' | 'cut' | 'owner'): number {
  const random = new Prng(seed, 'rest', device, boot);
  const [least, spread] = REST_MS[why];
  return least + random.below(spread);
}

const REST_MS = { restart: [20, 80], cut: [50, 250], owner: [200, 600] } as const;
