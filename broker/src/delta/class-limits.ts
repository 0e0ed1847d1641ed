import { CODER_LITE, CODER_MIXING, LEARNED_BITS_MAX, type MemoryClass } from '@countersign/device-sdk/delta';

export interface ClassLimits {
  pageBits: number;
  /** Heatshrink windows that are tried. */
  windows: readonly number[];
  /** Runs of both address maps together, and learned targets. */
  runs: number;
  learned: number;
  /** The range coder that fits beside them, with its parameters. */
  ranged?: { coder: number; windowBits: number; lookaheadBits: number };
  /** Power of two of old bytes that its literals may learn from at the start of a block. */
  oldBits?: number;
}

/** What fits the workspace of each class beside the state. */
export const LIMITS: Record<MemoryClass, ClassLimits> = {
  S: { pageBits: 8, windows: [8, 9, 10], runs: 32, learned: 32 },
  M: {
    pageBits: 9,
    windows: [8, 9, 10, 11],
    runs: 64,
    learned: 64,
    ranged: { coder: CODER_LITE, windowBits: 1, lookaheadBits: 4 },
  },
  L: {
    pageBits: 10,
    windows: [9, 10, 11, 12],
    runs: 128,
    learned: 128,
    ranged: { coder: CODER_LITE, windowBits: 3, lookaheadBits: 10 },
  },
  XL: {
    pageBits: 12,
    windows: [10, 11, 13, 15],
    runs: 256,
    learned: 256,
    ranged: { coder: CODER_MIXING, windowBits: 0, lookaheadBits: 0 },
  },
  G: {
    pageBits: 12,
    windows: [10, 11, 13, 15],
    runs: 1024,
    learned: 4096,
    ranged: { coder: CODER_MIXING, windowBits: 1, lookaheadBits: 0 },
    oldBits: LEARNED_BITS_MAX,
  },
};

/** Names by the numbers of the header. */
export const CODER_NAMES = ['stored', 'heatshrink', 'lite', 'mixing'] as const;
