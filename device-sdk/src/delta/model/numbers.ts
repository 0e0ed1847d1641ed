import type { Chances } from './chances.ts';
import { SET_NUMBER } from './sets.ts';

/** Fields that are numbers. */
export const INSERT_LENGTH = 0;
export const COPY_LENGTH = 1;
export const SEEK = 2;
export const FILL_LENGTH = 3;
export const SHIFT = 4;
export const FIELDS = 5;

/** States of one field: 16 for the number of bits, 48 for the two bits below the highest. */
const FIELD_STATES = 64;
export const NUMBER_STATES = FIELDS * FIELD_STATES;
/** Bits of a number and one: numbers are below 2^32 - 1. */
const BITS_MAX = 31;

/** Elias' gamma code with adaptive bits: how many bits number + 1 has, then those below the highest. */
export class Numbers {
  readonly #chances: Chances;
  readonly #first: number;

  /** @param first number of the first of {@link NUMBER_STATES} states */
  constructor(chances: Chances, first: number) {
    this.#chances = chances;
    this.#first = first;
  }

  /** Codes a whole number from 0 to 2^32 - 2. */
  code(value: number, field: number): number {
    const plus = value + 1;
    const length = this.#length(31 - Math.clz32(plus), field);
    let coded = 1;
    for (let i = length - 1; i >= 0; i--) {
      const bit = Math.floor(plus / 2 ** i) & 1;
      coded = 2 * coded + this.#digit(bit, field, length, i, coded);
    }
    return coded - 1;
  }

  /** Zigzag: 0, -1, 1, -2 … */
  codeSigned(value: number, field: number): number {
    const coded = this.code(value >= 0 ? 2 * value : -2 * value - 1, field);
    return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2;
  }

  #length(length: number, field: number): number {
    const { contexts } = this.#chances;
    for (let i = 0; i < BITS_MAX; i++) {
      contexts[0] = 0x1000000 + field * 64 + i;
      const state = this.#first + field * FIELD_STATES + Math.min(i, 15);
      if (this.#chances.decide(i < length ? 1 : 0, SET_NUMBER + 2 * field, state, 1) === 0) return i;
    }
    return BITS_MAX;
  }

  #digit(bit: number, field: number, length: number, i: number, above: number): number {
    const { contexts } = this.#chances;
    const depth = Math.min(2, length - 1 - i);
    const prefix = depth === 0 ? 0 : depth === 1 ? 1 + (above & 1) : 0;
    const near = depth < 2;
    contexts[0] = 0x2000000 + ((field * 32 + length) * 32 + i) * 4 + (near ? prefix : 3);
    const state = this.#first + field * FIELD_STATES + 16 + Math.min(length, 15) * 3 + (near ? prefix : 0);
    return this.#chances.decide(bit, SET_NUMBER + 2 * field + 1, near ? state : -1, 1);
  }
}
