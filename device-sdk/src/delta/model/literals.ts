import type { Chances } from './chances.ts';
import type { OldMatch } from './old-match.ts';
import type { Recent } from './recent.ts';
import { SET_LITERAL } from './sets.ts';

/** States of one tree of eight bits. */
export const TREE_STATES = 256;

/** Inserted bytes: a tree of eight decisions, known by the bytes before and the place in the word. */
export class Literals {
  readonly #chances: Chances;
  readonly #recent: Recent;
  readonly #match: OldMatch | undefined;
  readonly #first: number;
  readonly #contextBits: number;

  /** @param contextBits upper bits of the byte before that choose among 2^contextBits trees */
  constructor(chances: Chances, recent: Recent, match: OldMatch | undefined, first: number, contextBits: number) {
    this.#match = match;
    this.#chances = chances;
    this.#recent = recent;
    this.#first = first;
    this.#contextBits = contextBits;
  }

  code(byte: number, offset: number): number {
    return this.#match === undefined ? this.#lean(byte, offset) : this.#rich(byte, offset, this.#match);
  }

  #lean(byte: number, offset: number): number {
    const { contexts } = this.#chances;
    const { a, b } = this.#recent;
    const place = offset & 3;
    const tree = this.#first + (a >> (8 - this.#contextBits)) * TREE_STATES;
    let node = 1;
    for (let bit = 7; bit >= 0; bit--) {
      contexts[0] = node;
      contexts[1] = 0x2000000 | (a << 8) | node;
      contexts[2] = 0x5000000 | ((b >> 4) << 14) | ((a >> 4) << 10) | (place << 8) | node;
      node = 2 * node + this.#chances.decide((byte >> bit) & 1, SET_LITERAL + place * 8 + bit, tree + node, 3);
    }
    return node & 0xff;
  }

  #rich(byte: number, offset: number, match: OldMatch): number {
    const { contexts } = this.#chances;
    const { a, b, c, d } = this.#recent;
    const place = offset & 3;
    const pair = (a << 8) | (b << 16);
    const triple = pair | (c << 24);
    const expected = match.expected();
    const length = Math.min(match.length, 31);
    const sets = SET_LITERAL + 8 * (length === 0 ? 0 : length < 8 ? 1 : length < 24 ? 2 : 3);
    let node = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const agrees = expected >= 0 && (expected | 0x100) >> (bit + 1) === node;
      const next = agrees ? 1 + ((expected >> bit) & 1) : 0;
      contexts[0] = node;
      contexts[1] = 0x2000000 | (a << 8) | node;
      contexts[2] = 0x5000000 | (d << 10) | (place << 8) | node;
      contexts[3] = (pair | node) ^ 0x33000000;
      contexts[4] = Math.imul(triple | node, 0x2545f491);
      contexts[5] = ((b << 8) | (c << 16) | node) ^ 0x66000000;
      contexts[6] = 0x9000000 + (next === 0 ? 0x100 + node : length * 4 + next);
      contexts[7] = 0x77000000 ^ ((next === 0 ? 0 : expected + 1) * 65536 + node * 256 + a);
      node = 2 * node + this.#chances.decide((byte >> bit) & 1, sets + bit, -1, 8);
    }
    return node & 0xff;
  }
}
