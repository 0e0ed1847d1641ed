/** Range decoder, lite and mixing by docs/FORMAT-DELTA.md, independent of the product's code. */
import { page } from './format-delta.ts';
import type { Decision, Letters } from './page-formulas.ts';

/** One decision: its name and letters, its state or set and slots, and range and code after it. */
export interface Step {
  name: string;
  letters: Letters;
  where: string;
  chance: number;
  bit: number;
  range: number;
  code: number;
}

export type Trace = (step: Step) => void;

export class Range {
  range = 0xffff_ffff;
  code = 0;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.code = this.code * 256 + this.#next();
  }

  get used(): boolean {
    return this.#at >= this.#bytes.length;
  }

  bit(chance: number): number {
    const bound = (this.range >>> 16) * chance;
    const bit = this.code < bound ? 1 : 0;
    if (bit === 0) this.code -= bound;
    this.range = bit === 1 ? bound : this.range - bound;
    while (this.range < 2 ** 24) {
      this.range *= 256;
      this.code = this.code * 256 + this.#next();
    }
    return bit;
  }

  #next(): number {
    return this.#bytes[this.#at++] ?? 0;
  }
}

export const rate = (n: number): number => Math.floor(131072 / (2 * n + 3));
const learned = (p: number, bit: number, top: number, n: number): number =>
  p + Math.floor(((bit * top - p) * rate(n)) / 65536);

export interface Coder {
  /** Chance of 1, and what is told of the bit when it is known. */
  ask(decision: Decision, letters: Letters): { chance: number; where: string; learn(bit: number): void };
}

export class LiteByPage implements Coder {
  readonly #p = new Map<number, number>();
  readonly #n = new Map<number, number>();

  ask(decision: Decision, letters: Letters) {
    const state = decision.state(letters);
    if (state < 0) return { chance: 32768, where: 'none', learn: () => undefined };
    const fine = state < 128;
    const p = this.#p.get(state) ?? (fine ? 32768 : 2048);
    const n = this.#n.get(state) ?? 0;
    const learn = (bit: number): void => {
      this.#p.set(state, learned(p, bit, fine ? 65535 : 4095, n));
      this.#n.set(state, Math.min(n + 1, fine ? 254 : 15));
    };
    const chance = fine ? Math.min(Math.max(p, 16), 65520) : 16 * p + 8;
    return { chance, where: `${state}`, learn };
  }
}

export const squashTable = /<!-- squash table -->\s+```text\n([\s\S]*?)```/
  .exec(page)![1]!
  .trim()
  .split(/\s+/)
  .map(Number);

export function squash(x: number): number {
  const q = Math.floor(x / 128);
  const y = x - 128 * q;
  return Math.floor((squashTable[q + 16]! * (128 - y) + squashTable[q + 17]! * y + 64) / 128);
}

/** The least x for each p, found from above. */
export const stretch = Array.from({ length: 4096 }, () => 2047);
for (let x = 2047; x >= -2047; x--) for (let p = squash(x); p >= 0 && stretch[p]! >= x; p--) stretch[p] = x;

export class MixingByPage implements Coder {
  readonly #bits: number;
  readonly #weights: Float64Array[];
  readonly #p: Uint16Array;
  readonly #n: Uint8Array;

  constructor(bits: number) {
    this.#bits = bits;
    this.#weights = Array.from({ length: 161 }, () => new Float64Array(9).fill(bits >= 16 ? 20_000 : 32_000));
    this.#p = new Uint16Array(2 ** bits).fill(0x8000);
    this.#n = new Uint8Array(2 ** bits);
  }

  ask(decision: Decision, letters: Letters) {
    const set = decision.set(letters);
    const formulas = this.#bits >= 16 ? [...decision.contexts, ...decision.rich] : decision.contexts;
    const size = 2 ** (set < 16 ? this.#bits - 3 : this.#bits);
    const slots = formulas.map((formula, i) => (hash(formula(letters), i) >>> 0) % size);
    const inputs = slots.map((slot) => stretch[this.#p[slot]! >> 4]!);
    const weights = this.#weights[set]!;
    const sum = inputs.reduce((all, input, i) => all + input * weights[i]!, 256 * weights[8]!);
    const p = squash(Math.max(-2047, Math.min(2047, Math.floor(sum / 65536))));
    const learn = (bit: number): void => {
      const error = 6 * (4096 * bit - p);
      for (const [i, input] of [...inputs.entries(), [8, 256] as const]) {
        const weight = weights[i]! + Math.floor((input * error + 8192) / 16384);
        weights[i] = Math.max(-0x800000, Math.min(0x7fffff, weight));
      }
      for (const slot of slots) {
        this.#p[slot] = learned(this.#p[slot]!, bit, 65535, this.#n[slot]!);
        this.#n[slot] = Math.min(this.#n[slot]! + 1, 127);
      }
    };
    return { chance: 16 * p + 8, where: `${set}: ${slots.map((slot) => slot.toString(16)).join(' ')}`, learn };
  }
}

function hash(x: number, i: number): number {
  let h = Math.imul(x + Math.imul(i, 0x3d4d51cb), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
}
