import type { BitCoder, Chances } from './chances.ts';
import { Lite, liteBytes } from './lite.ts';
import { Literals, TREE_STATES } from './literals.ts';
import { Mixer, mixerBytes, RICH_BITS } from './mixer.ts';
import { NUMBER_STATES, Numbers } from './numbers.ts';
import { OldMatch, PLACES, PLACES_BYTES } from './old-match.ts';
import type { Predictor } from './predictor.ts';
import { Recent } from './recent.ts';
import { SET_KIND } from './sets.ts';
import type { Bytes } from './unit.ts';
import { UNIT_STATES, Units } from './units.ts';

/** Which coder, and its two parameters as they stand in the header. */
export interface CodingShape {
  mixing: boolean;
  /** Lite: upper bits of the byte before a literal that choose its tree. Mixing: states are 2 to this power. */
  first: number;
  /** Lite: trees of residual bytes, 4 or 10. Mixing: 0. */
  second: number;
}

const KIND = UNIT_STATES;
const NUMBERS = KIND + 2;
const TREES = NUMBERS + NUMBER_STATES;

/** Memory of the coder's tables. */
export function codingBytes(shape: CodingShape): number {
  const bytes = shape.mixing ? mixingBytes(shape.first) : liteBytes(statesOf(shape));
  return (bytes + 3) & ~3;
}

function mixingBytes(bits: number): number {
  return mixerBytes(bits) + (bits >= RICH_BITS ? PLACES_BYTES : 0);
}

function statesOf(shape: CodingShape): number {
  return TREES + (2 ** shape.first + shape.second) * TREE_STATES;
}

export interface CodingPorts {
  predictor: Predictor;
  coder: BitCoder;
}

/** All that is coded in a block, in the words of its commands. The same object drives encoder and decoder. */
export class Coding {
  readonly numbers: Numbers;
  readonly literals: Literals;
  readonly units: Units;
  readonly recent = new Recent();
  /** Only with tables that have room for it. */
  readonly match: OldMatch | undefined;
  readonly #chances: Chances;

  /** @param memory {@link codingBytes} of the shape, at a multiple of 4 */
  constructor(shape: CodingShape, memory: Uint8Array, old: { bytes: Bytes; oldBytes: number }, ports: CodingPorts) {
    const { predictor, coder } = ports;
    if (shape.mixing && shape.first >= RICH_BITS) {
      const places = new Uint32Array(memory.buffer, memory.byteOffset + mixerBytes(shape.first), PLACES);
      this.match = new OldMatch(old.bytes, old.oldBytes, places);
    }
    this.#chances = shape.mixing ? new Mixer(memory, shape.first, coder) : new Lite(memory, statesOf(shape), coder);
    this.numbers = new Numbers(this.#chances, NUMBERS);
    this.literals = new Literals(this.#chances, this.recent, this.match, TREES, shape.mixing ? 0 : shape.first);
    const first = TREES + 2 ** shape.first * TREE_STATES;
    this.units = new Units(this.#chances, this.numbers, predictor, this.recent, { first, count: shape.second });
  }

  /** As at the start of a block. */
  reset(): void {
    this.#chances.reset();
    this.units.reset();
    this.recent.reset();
    this.match?.reset();
  }

  /** 0 for a copy, 1 for a fill. */
  kind(bit: number): number {
    this.#chances.contexts[0] = 0x6b696e64;
    return this.#chances.decide(bit, SET_KIND, KIND, 1);
  }
}
