import type { BitCoder, Chances } from './chances.ts';
import { Lite, liteBytes } from './lite.ts';
import { LiteralMixer, type LiteralShape, literalBytes } from './literal-mixer.ts';
import { type LiteralCoder, Literals, TREE_STATES } from './literals.ts';
import { Mixer, mixerBytes } from './mixer.ts';
import { NUMBER_STATES, Numbers } from './numbers.ts';
import type { Predictor } from './predictor.ts';
import { Recent } from './recent.ts';
import { SET_KIND } from './sets.ts';
import type { Bytes } from './unit.ts';
import { UNIT_STATES, Units } from './units.ts';

/** Which coder, and its two parameters as they stand in the header. */
export interface CodingShape {
  mixing: boolean;
  /** Lite: upper bits of the byte before a literal that choose its tree. Mixing: its size, an index of {@link MIXING_SIZES}. */
  first: number;
  /** Lite: trees of residual bytes, 4 or 10. Mixing: 0, or 2^second old bytes are learned from at the start of a block. */
  second: number;
}

/** Two sizes of the mixing coder, for 64 KB and for 1 MB: powers of two of states for units, and what literals need. */
export const MIXING_SIZES: readonly (LiteralShape & { unitBits: number })[] = [
  { unitBits: 11, stateBits: 13, followerBits: 8, fine: false },
  { unitBits: 16, stateBits: 17, followerBits: 13, fine: true },
];

const KIND = UNIT_STATES;
const NUMBERS = KIND + 2;
const TREES = NUMBERS + NUMBER_STATES;

/** Memory of the coder's tables. */
export function codingBytes(shape: CodingShape): number {
  if (!shape.mixing) return (liteBytes(statesOf(shape)) + 3) & ~3;
  const size = MIXING_SIZES[shape.first]!;
  return mixerBytes(size.unitBits) + literalBytes(size);
}

function statesOf(shape: CodingShape): number {
  return TREES + (2 ** shape.first + shape.second) * TREE_STATES;
}

export interface CodingPorts {
  predictor: Predictor;
  coder: BitCoder;
}

/** The old image. */
export interface Old {
  bytes: Bytes;
  oldBytes: number;
}

/** All that is coded in a block, in the words of its commands. The same object drives encoder and decoder. */
export class Coding {
  readonly numbers: Numbers;
  readonly literals: LiteralCoder;
  readonly units: Units;
  readonly recent = new Recent();
  readonly #chances: Chances;
  readonly #mixed: LiteralMixer | undefined;
  readonly #old: Old;
  readonly #learned: number;

  /** @param memory {@link codingBytes} of the shape, at a multiple of 4 */
  constructor(shape: CodingShape, memory: Uint8Array, old: Old, ports: CodingPorts) {
    const { predictor, coder } = ports;
    if (shape.mixing) {
      const size = MIXING_SIZES[shape.first]!;
      this.#chances = new Mixer(memory, size.unitBits, coder);
      const behind = memory.subarray(mixerBytes(size.unitBits));
      this.literals = this.#mixed = new LiteralMixer(behind, size, this.recent, coder);
    } else {
      this.#chances = new Lite(memory, statesOf(shape), coder);
      this.literals = new Literals(this.#chances, this.recent, TREES, shape.first);
    }
    this.#old = old;
    this.#learned = shape.mixing && shape.second > 0 ? Math.min(2 ** shape.second, old.oldBytes) : 0;
    this.numbers = new Numbers(this.#chances, NUMBERS);
    const first = TREES + 2 ** shape.first * TREE_STATES;
    this.units = new Units(this.#chances, this.numbers, predictor, this.recent, { first, count: shape.second });
  }

  /** As at the start of a block that expects its first copy at `oldOffset`. */
  reset(oldOffset: number): void {
    this.#chances.reset();
    this.#mixed?.reset();
    this.units.reset();
    this.recent.reset();
    if (this.#learned > 0) this.#learn(oldOffset);
  }

  /** Learns from the old bytes around a place: four seconds of processor time for a megabyte here, so a block is as long at least. */
  #learn(oldOffset: number): void {
    const { bytes, oldBytes } = this.#old;
    const count = this.#learned;
    const from = Math.max(0, Math.min(oldOffset - (count >> 1), oldBytes - count));
    for (let at = from; at < from + count; at++) {
      const byte = bytes.byte(at);
      this.#mixed!.learn(byte, at);
      this.recent.put(byte);
    }
    this.recent.reset();
  }

  /** 0 for a copy, 1 for a fill. */
  kind(bit: number): number {
    this.#chances.contexts[0] = 0x6b696e64;
    return this.#chances.decide(bit, SET_KIND, KIND, 1);
  }
}
