import { RATE } from './rate.ts';

/** A state nobody has asked for: one half, no visits. */
const FRESH = 0x8000_0000;
/** A state never learns more slowly than after so many visits: programs change from part to part. */
const VISITS_MAX = 30;
export const STATE_WORD_BYTES = 4;

/**
 * Chances by hashed context, one word each: 16 bits of chance, 8 bits of the hash, 8 bits of visits. The bits of the hash
 * tell a context from those that share its place: without them a full table of 2^18 was worse than one of 2^14 with them.
 */
export class States {
  readonly #words: Uint32Array;

  /** @param words a power of two of them */
  constructor(words: Uint32Array) {
    this.#words = words;
  }

  reset(): void {
    this.#words.fill(FRESH);
  }

  /** Where the state of this hash is. There are two places for it; a newcomer takes the one with fewer visits. */
  find(hash: number): number {
    const words = this.#words;
    const place = hash & (words.length - 1);
    const check = hash >>> 24;
    const first = words[place]!;
    if (((first >>> 8) & 0xff) === check) return place;
    const second = words[place ^ 1]!;
    if (((second >>> 8) & 0xff) === check) return place ^ 1;
    const taken = (second & 0xff) < (first & 0xff) ? place ^ 1 : place;
    words[taken] = FRESH | (check << 8);
    return taken;
  }

  /** 16 bits. */
  chance(place: number): number {
    return this.#words[place]! >>> 16;
  }

  learn(place: number, bit: number): void {
    const word = this.#words[place]!;
    const visits = word & 0xff;
    const chance = moved(word >>> 16, bit, visits);
    this.#words[place] = (chance << 16) | (word & 0xff00) | (visits < VISITS_MAX ? visits + 1 : visits);
  }
}

/**
 * A chance of 16 bits after one more bit: chance + floor((65535 bit - chance) rate / 65536). Without its sign the product
 * fits 32 bits, so that no wider type is needed.
 */
export function moved(chance: number, bit: number, visits: number): number {
  const rate = RATE[visits]!;
  if (bit === 1) return chance + (Math.imul(65535 - chance, rate) >>> 16);
  return chance - ((Math.imul(chance, rate) + 65535) >>> 16);
}

/** Context `x` in its place among the contexts of a decision, spread over 32 bits. */
export function hashed(x: number, place: number): number {
  return scattered(x + Math.imul(place, 0x3d4d51cb));
}

export function scattered(x: number): number {
  let h = Math.imul(x, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
}
