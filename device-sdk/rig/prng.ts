/**
 * Reproducible randomness for faults. Two generators made from the same parts give the same numbers on every machine,
 * and one made from other parts is unrelated to it, so that a fault is a function of (seed, device, event) and never
 * of the order in which devices happened to run. Not for keys.
 *
 * The parts are mixed by MurmurHash3's finaliser into the state of sfc32 (Doty-Humphrey, PractRand: 128 bits of state).
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(...parts: readonly (number | string)[]) {
    const text = parts.map((part) => `${typeof part}:${part}`).join('|');
    this.#a = mix(text, 0x9e3779b9);
    this.#b = mix(text, 0x243f6a88);
    this.#c = mix(text, 0xb7e15162);
    for (let i = 0; i < WARM_UP; i++) this.next();
  }

  /** A whole number from 0 to 2^32 - 1. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > 2 ** 32) throw new RangeError(`limit ${limit}`);
    return Math.floor(this.fraction() * limit);
  }

  /** True once in `n` times on average. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.next() >>> 24;
    return out;
  }
}

/** sfc32 needs about 12 steps until a simple seed has spread over all of its state. */
const WARM_UP = 15;

function mix(text: string, salt: number): number {
  let hash = salt ^ text.length;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
