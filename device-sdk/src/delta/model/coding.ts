import type { BitCoder, Chances } from './chances.ts';
import { type LiteralCoder, TREE_STATES } from './literals.ts';
import { NUMBER_STATES, Numbers } from './numbers.ts';
import type { Predictor } from './predictor.ts';
import { Recent } from './recent.ts';
import { SET_KIND } from './sets.ts';
import type { Bytes } from './unit.ts';
import { UNIT_STATES, Units } from './units.ts';

/** The two parameters of a range coder as they stand in the header. */
export interface CodingShape {
  /** Lite: upper bits of the byte before a literal that choose its tree. Mixing: its size, an index of {@link MIXING_SIZES}. */
  windowBits: number;
  /** Lite: trees of residual bytes, 4 or 10. Mixing: 0, or 2^lookaheadBits old bytes are learned from at the start of a block. */
  lookaheadBits: number;
}

/** What the range coders differ in: their tables, and how literals are coded. */
export interface CodingKind {
  /** Memory of the coder's tables. */
  bytes(shape: CodingShape): number;
  make(
    shape: CodingShape,
    memory: Uint8Array,
    recent: Recent,
    coder: BitCoder,
  ): { chances: Chances; literals: LiteralCoder };
}

const KIND = UNIT_STATES;
const NUMBERS = KIND + 2;
/** The first state of the trees of literals. */
export const TREES: number = NUMBERS + NUMBER_STATES;

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
  readonly #old: Old;
  readonly #learned: number;

  /** @param memory `kind.bytes` of the shape, at a multiple of 4 */
  constructor(kind: CodingKind, shape: CodingShape, memory: Uint8Array, old: Old, ports: CodingPorts) {
    const { predictor, coder } = ports;
    const { windowBits, lookaheadBits } = shape;
    const { chances, literals } = kind.make(shape, memory, this.recent, coder);
    this.#chances = chances;
    this.literals = literals;
    this.#old = old;
    this.#learned = literals.learn && lookaheadBits > 0 ? Math.min(2 ** lookaheadBits, old.oldBytes) : 0;
    this.numbers = new Numbers(chances, NUMBERS);
    const first = TREES + 2 ** windowBits * TREE_STATES;
    this.units = new Units(chances, this.numbers, predictor, this.recent, { first, count: lookaheadBits });
  }

  /** As at the start of a block that expects its first copy at `oldOffset`. */
  reset(oldOffset: number): void {
    this.#chances.reset();
    this.literals.reset?.();
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
      this.literals.learn!(byte, at);
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
