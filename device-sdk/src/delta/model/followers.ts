import { STRETCH } from './mix.ts';
import type { Recent } from './recent.ts';
import { moved, scattered } from './states.ts';

/** Tables, by the last two, three, four and six bytes. */
export const TABLES = 4;
const COUNT_MAX = 255;
/** A byte that followed more often than this stays in the table when another one comes, with half its count. */
const COUNT_FIRM = 2;
const RUNS = 32;
const VISITS_MAX = 127;
const FRESH = 0x8000_0000;
/** Words of what is known of runs: by table, by length of the run, by the bit that is expected. */
const RUN_STATES = TABLES * RUNS * 2;

/**
 * Which byte followed last time, and how often: a match as long as its context, for four bytes of memory where single
 * bits would take eight states. Whole functions that come again are found so without any position in them.
 */
export class Followers {
  readonly #entries: Uint32Array;
  readonly #bits: number;
  /** Chance of a one, 16 bits, and visits, 8 bits. */
  readonly #states: Uint32Array;
  readonly #keys = new Int32Array(TABLES);
  readonly #bytes = new Int32Array(TABLES);
  readonly #counts = new Int32Array(TABLES);
  readonly #places = new Int32Array(TABLES);

  /** @param memory {@link followerBytes} of `bits`, aligned to 4 */
  constructor(memory: Uint8Array, bits: number) {
    this.#bits = bits;
    this.#states = new Uint32Array(memory.buffer, memory.byteOffset, RUN_STATES);
    this.#entries = new Uint32Array(memory.buffer, memory.byteOffset + 4 * RUN_STATES, TABLES << bits);
  }

  reset(): void {
    this.#states.fill(FRESH);
    this.#entries.fill(0);
  }

  /** Before the first bit of a byte. */
  begin({ a, b, c, d, e, f }: Recent): void {
    const two = a | (b << 8);
    const three = two | (c << 16);
    const four = three | (d << 24);
    const keys = this.#keys;
    keys[0] = scattered(two ^ 0x3000000);
    keys[1] = scattered(three ^ 0x4000000);
    keys[2] = scattered(four ^ 0x5550000);
    keys[3] = scattered(Math.imul(four, 0x2c9277b5) ^ Math.imul((e | (f << 8)) + 1, 0x846ca68b));
    for (let i = 0; i < TABLES; i++) {
      const entry = this.#entries[this.#entry(i)]!;
      const known = entry >>> 16 === (keys[i]! & 0xffff) && (entry & 0xff) > 0;
      this.#bytes[i] = known ? (entry >>> 8) & 0xff : -1;
      this.#counts[i] = known ? entry & 0xff : 0;
    }
  }

  #entry(table: number): number {
    return (table << this.#bits) + (this.#keys[table]! >>> (32 - this.#bits));
  }

  /**
   * Puts what the tables expect of the next bit into `inputs` from `first` on, 0 where nothing.
   * @param node the bits of the byte so far, behind a one
   * @returns 1 and the last table that expects anything; 0 if none does
   */
  expect(inputs: Int32Array, first: number, node: number, bit: number): number {
    let highest = 0;
    for (let i = 0; i < TABLES; i++) {
      const byte = this.#bytes[i]!;
      const agrees = byte >= 0 && (byte | 0x100) >> (bit + 1) === node;
      const place = agrees ? (i * RUNS + Math.min(this.#counts[i]!, RUNS - 1)) * 2 + ((byte >> bit) & 1) : -1;
      this.#places[i] = place;
      inputs[first + i] = agrees ? STRETCH[this.#states[place]! >>> 20]! : 0;
      if (agrees) highest = i + 1;
    }
    return highest;
  }

  learn(bit: number): void {
    for (let i = 0; i < TABLES; i++) {
      const place = this.#places[i]!;
      if (place < 0) continue;
      const word = this.#states[place]!;
      const visits = word & 0xff;
      this.#states[place] = (moved(word >>> 16, bit, visits) << 16) | Math.min(visits + 1, VISITS_MAX);
    }
  }

  /** After the last bit. */
  end(byte: number): void {
    for (let i = 0; i < TABLES; i++) {
      const count = this.#counts[i]!;
      const kept = this.#bytes[i] !== byte && count > COUNT_FIRM;
      const next = this.#bytes[i] === byte ? Math.min(count + 1, COUNT_MAX) : kept ? count >> 1 : 1;
      const check = this.#keys[i]! & 0xffff;
      this.#entries[this.#entry(i)] = (check << 16) | ((kept ? this.#bytes[i]! : byte) << 8) | next;
    }
  }
}

export function followerBytes(bits: number): number {
  return 4 * (RUN_STATES + TABLES * 2 ** bits);
}
