/** Range decoder and lite by docs/FORMAT-DELTA.md, independent of the product's code. */
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
export const learned = (p: number, bit: number, top: number, n: number): number =>
  p + Math.floor(((bit * top - p) * rate(n)) / 65536);

/** Chance of 1, its state or sets, and what is told of the bit when it is known. */
export interface Asked {
  chance: number;
  where: string;
  learn(bit: number): void;
}

export interface Coder {
  ask(decision: Decision, letters: Letters): Asked;
}

export class LiteByPage implements Coder {
  readonly #p = new Map<number, number>();
  readonly #n = new Map<number, number>();

  ask(decision: Decision, letters: Letters): Asked {
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
