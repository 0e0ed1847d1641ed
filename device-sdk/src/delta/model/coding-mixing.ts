import type { DeltaHeader } from '../fields.ts';
import type { CodingKind } from './coding.ts';
import { LiteralMixer, type LiteralShape, literalBytes } from './literal-mixer.ts';
import { Mixer, mixerBytes } from './mixer.ts';

/** Two sizes of the mixing coder, for 64 KB and for 1 MB: powers of two of states for units, and what literals need. */
export const MIXING_SIZES: readonly (LiteralShape & { unitBits: number })[] = [
  { unitBits: 11, stateBits: 13, followerBits: 8, fine: false },
  { unitBits: 16, stateBits: 17, followerBits: 13, fine: true },
];

/** Old bytes that are learned from at the start of a block, 4 KB to 4 MB; 0 for none. */
export const LEARNED_BITS_MIN = 12;
export const LEARNED_BITS_MAX = 22;
/**
 * A block learns from at most so many times the bytes of the new image. Images of one product do not halve; without this a
 * container of 60 bytes for an image of one would cost a device 4 MB of learning: some ten seconds in one call.
 */
export const LEARNED_PER_NEW_MAX = 2;

export const mixingCoding: CodingKind = {
  bytes({ windowBits }) {
    const size = MIXING_SIZES[windowBits]!;
    return mixerBytes(size.unitBits) + literalBytes(size);
  },
  make({ windowBits }, memory, recent, coder) {
    const size = MIXING_SIZES[windowBits]!;
    const behind = memory.subarray(mixerBytes(size.unitBits));
    const literals = new LiteralMixer(behind, size, recent, coder);
    return { chances: new Mixer(memory, size.unitBits, coder), literals };
  },
};

/** Learning takes as long as decoding, so a block produces at least as much: many short ones would cost a device hours. */
export function isLearned({ kind, lookaheadBits: bits, checkpointBits, oldBytes, newBytes }: DeltaHeader): boolean {
  const inRange = bits >= LEARNED_BITS_MIN && bits <= LEARNED_BITS_MAX;
  const worth = Math.min(2 ** bits, oldBytes) <= LEARNED_PER_NEW_MAX * newBytes;
  return kind === 'delta' && inRange && worth && (checkpointBits === 0 || checkpointBits >= bits);
}
