import type { BitCoder } from './chances.ts';
import { Followers, followerBytes, TABLES } from './followers.ts';
import type { LiteralCoder } from './literals.ts';
import { STRETCH, squash } from './mix.ts';
import type { Recent } from './recent.ts';
import { hashed, STATE_WORD_BYTES, States, scattered } from './states.ts';
import { Weights, weightBytes } from './weights.ts';

const CONTEXTS = 8;
const INPUTS = CONTEXTS + TABLES;
/** First weights, of 65,536. */
const WEIGHT = 14_000;
const RUN_SETS = (TABLES + 1) * 8;

export interface LiteralShape {
  /** States are 2 to this power, entries of each table of followers 2 to that. */
  stateBits: number;
  followerBits: number;
  /** Whether weights are chosen by all bits of the byte so far, or by their number. */
  fine: boolean;
}

/** A coder that is told each bit: what is coded with it is only learned from. */
const KNOWN: BitCoder = { code: (_chance, bit) => bit };

/**
 * Inserted bytes: eight contexts and four followers for each bit, joined by two sets of weights whose results are
 * averaged. It can learn from the old image first, so that new code is told in the words of the old.
 */
export class LiteralMixer implements LiteralCoder {
  readonly #coder: BitCoder;
  readonly #recent: Recent;
  readonly #states: States;
  readonly #followers: Followers;
  readonly #byRun: Weights;
  readonly #byPlace: Weights;
  readonly #fine: boolean;
  readonly #contexts = new Int32Array(CONTEXTS);
  readonly #places = new Int32Array(CONTEXTS);
  readonly #inputs = new Int32Array(INPUTS);

  /** @param memory {@link literalBytes} of the shape, aligned to 4 */
  constructor(memory: Uint8Array, shape: LiteralShape, recent: Recent, coder: BitCoder) {
    const { buffer } = memory;
    let at = memory.byteOffset;
    const take = (bytes: number): number => (at += bytes) - bytes;
    const weights = (sets: number): Weights => {
      const bytes = weightBytes(sets, INPUTS);
      return new Weights(new Int32Array(buffer, take(bytes), bytes / 4), INPUTS, WEIGHT);
    };
    this.#byRun = weights(RUN_SETS);
    this.#byPlace = weights(placeSets(shape));
    this.#states = new States(
      new Uint32Array(buffer, take(STATE_WORD_BYTES * 2 ** shape.stateBits), 2 ** shape.stateBits),
    );
    this.#followers = new Followers(
      new Uint8Array(buffer, take(followerBytes(shape.followerBits))),
      shape.followerBits,
    );
    this.#fine = shape.fine;
    this.#recent = recent;
    this.#coder = coder;
  }

  reset(): void {
    this.#byRun.reset();
    this.#byPlace.reset();
    this.#states.reset();
    this.#followers.reset();
  }

  code(byte: number, offset: number): number {
    return this.#byte(byte, offset & 3, this.#coder);
  }

  /** Learns from a byte that both sides know. */
  learn(byte: number, offset: number): void {
    this.#byte(byte, offset & 3, KNOWN);
  }

  #byte(byte: number, place: number, coder: BitCoder): number {
    const inputs = this.#inputs;
    this.#begin(place);
    let node = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const highest = this.#look(node, bit);
      const run = highest * 8 + bit;
      const at = this.#fine ? place * 256 + node : place * 8 + bit;
      const byRun = this.#byRun.mix(run, inputs, INPUTS);
      const byPlace = this.#byPlace.mix(at, inputs, INPUTS);
      const coded = coder.code((squash((byRun + byPlace) >> 1) << 4) | 8, (byte >> bit) & 1);
      this.#byRun.learn(run, inputs, INPUTS, coded, squash(byRun));
      this.#byPlace.learn(at, inputs, INPUTS, coded, squash(byPlace));
      for (let i = 0; i < CONTEXTS; i++) this.#states.learn(this.#places[i]!, coded);
      this.#followers.learn(coded);
      node = 2 * node + coded;
    }
    this.#followers.end(node & 0xff);
    return node & 0xff;
  }

  #begin(place: number): void {
    const { a, b, c, d } = this.#recent;
    const contexts = this.#contexts;
    contexts[0] = hashed(0, 1);
    contexts[1] = hashed(a, 2);
    contexts[2] = hashed(a | (b << 8), 3);
    contexts[3] = hashed(a | (b << 8) | (c << 16), 4);
    contexts[4] = hashed((d << 2) | place, 5);
    contexts[5] = hashed(b | (c << 8), 6);
    contexts[6] = hashed((b << 2) | place, 7);
    contexts[7] = hashed((a << 2) | place, 8);
    this.#followers.begin(this.#recent);
  }

  #look(node: number, bit: number): number {
    const states = this.#states;
    const spread = Math.imul(node, 0x2545f491);
    for (let i = 0; i < CONTEXTS; i++) {
      const place = states.find(scattered(this.#contexts[i]! + spread));
      this.#places[i] = place;
      this.#inputs[i] = STRETCH[states.chance(place) >> 4]!;
    }
    return this.#followers.expect(this.#inputs, CONTEXTS, node, bit);
  }
}

function placeSets(shape: LiteralShape): number {
  return shape.fine ? 4 * 256 : 4 * 8;
}

export function literalBytes(shape: LiteralShape): number {
  const weights = weightBytes(RUN_SETS + placeSets(shape), INPUTS);
  return weights + STATE_WORD_BYTES * 2 ** shape.stateBits + followerBytes(shape.followerBits);
}
