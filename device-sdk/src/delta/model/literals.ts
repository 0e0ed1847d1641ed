import type { Chances } from './chances.ts';
import { SET_LITERAL } from './sets.ts';

/** States of one tree of eight bits. */
export const TREE_STATES = 256;

/** The bytes produced last, newest first: the neighbours of what comes next. */
export class Recent {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  put(byte: number): void {
    this.d = this.c;
    this.c = this.b;
    this.b = this.a;
    this.a = byte;
  }

  reset(): void {
    this.a = this.b = this.c = this.d = 0;
  }
}

/** Inserted bytes: a tree of eight decisions, known by the bytes before and the place in the word. */
export class Literals {
  readonly #chances: Chances;
  readonly #recent: Recent;
  readonly #first: number;
  readonly #contextBits: number;

  /** @param contextBits upper bits of the byte before that choose among 2^contextBits trees */
  constructor(chances: Chances, recent: Recent, first: number, contextBits: number) {
    this.#chances = chances;
    this.#recent = recent;
    this.#first = first;
    this.#contextBits = contextBits;
  }

  code(byte: number, offset: number): number {
    const { contexts, rich } = this.#chances;
    const count = rich ? 6 : 3;
    const { a, b, c, d } = this.#recent;
    const place = offset & 3;
    const tree = this.#first + (a >> (8 - this.#contextBits)) * TREE_STATES;
    const pair = (a << 8) | (b << 16);
    const triple = pair | (c << 24);
    let node = 1;
    for (let bit = 7; bit >= 0; bit--) {
      contexts[0] = node;
      contexts[1] = 0x2000000 | (a << 8) | node;
      contexts[2] = 0x5000000 | ((b >> 4) << 14) | ((a >> 4) << 10) | (place << 8) | node;
      if (rich) {
        contexts[2] = 0x5000000 | (d << 10) | (place << 8) | node;
        contexts[3] = (pair | node) ^ 0x33000000;
        contexts[4] = Math.imul(triple | node, 0x2545f491);
        contexts[5] = ((b << 8) | (c << 16) | node) ^ 0x66000000;
      }
      node = 2 * node + this.#chances.decide((byte >> bit) & 1, SET_LITERAL + place * 8 + bit, tree + node, count);
    }
    return node & 0xff;
  }
}
