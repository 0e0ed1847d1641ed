import type { Chances } from './chances.ts';
import type { Recent } from './recent.ts';

/** States of one tree of eight bits. */
export const TREE_STATES = 256;

/** Codes inserted bytes; `offset` is their place in the new image. */
export interface LiteralCoder {
  code(byte: number, offset: number): number;
  /** For coders that can: learns from a byte that both sides know. */
  learn?(byte: number, offset: number): void;
  reset?(): void;
}

/** Inserted bytes of the lite coder: a tree of eight decisions, chosen by the byte before. */
export class Literals implements LiteralCoder {
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

  code(byte: number): number {
    const tree = this.#first + (this.#recent.a >> (8 - this.#contextBits)) * TREE_STATES;
    let node = 1;
    for (let bit = 7; bit >= 0; bit--) node = 2 * node + this.#chances.decide((byte >> bit) & 1, 0, tree + node, 0);
    return node & 0xff;
  }
}
