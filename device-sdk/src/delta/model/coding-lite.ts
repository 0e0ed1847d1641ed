import { type CodingKind, type CodingShape, TREES } from './coding.ts';
import { Lite, liteBytes } from './lite.ts';
import { Literals, TREE_STATES } from './literals.ts';

/** At most 16 trees of literals; 4 or 10 trees of residual bytes. */
export const LITERAL_BITS_MAX = 4;
export const RESIDUAL_TREES: readonly number[] = [4, 10];

export const liteCoding: CodingKind = {
  bytes: (shape) => (liteBytes(statesOf(shape)) + 3) & ~3,
  make(shape, memory, recent, coder) {
    const chances = new Lite(memory, statesOf(shape), coder);
    return { chances, literals: new Literals(chances, recent, TREES, shape.windowBits) };
  },
};

function statesOf({ windowBits, lookaheadBits }: CodingShape): number {
  return TREES + (2 ** windowBits + lookaheadBits) * TREE_STATES;
}
