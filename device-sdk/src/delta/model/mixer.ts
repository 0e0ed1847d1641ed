import { type BitCoder, type Chances, CONTEXTS_MAX } from './chances.ts';
import { STRETCH, squash } from './mix.ts';
import { SETS } from './sets.ts';
import { hashed, STATE_WORD_BYTES, States } from './states.ts';
import { Weights, weightBytes } from './weights.ts';

/** First weights, of 65,536: all contexts together a little above 1. */
const WEIGHT = 20_000;

/** Several contexts per decision, each hashed to a state, joined by logistic mixing. */
export class Mixer implements Chances {
  readonly contexts = new Int32Array(CONTEXTS_MAX);
  readonly #weights: Weights;
  readonly #states: States;
  readonly #coder: BitCoder;
  readonly #places = new Int32Array(CONTEXTS_MAX);
  readonly #inputs = new Int32Array(CONTEXTS_MAX);

  /** @param memory {@link mixerBytes} of `bits`, aligned to 4 */
  constructor(memory: Uint8Array, bits: number, coder: BitCoder) {
    const weights = weightBytes(SETS, CONTEXTS_MAX);
    this.#weights = new Weights(new Int32Array(memory.buffer, memory.byteOffset, weights / 4), CONTEXTS_MAX, WEIGHT);
    this.#states = new States(new Uint32Array(memory.buffer, memory.byteOffset + weights, 2 ** bits));
    this.#coder = coder;
  }

  reset(): void {
    this.#weights.reset();
    this.#states.reset();
  }

  decide(bit: number, set: number, _state: number, count: number): number {
    const states = this.#states;
    for (let i = 0; i < count; i++) {
      const place = states.find(hashed(this.contexts[i]!, i));
      this.#places[i] = place;
      this.#inputs[i] = STRETCH[states.chance(place) >> 4]!;
    }
    const chance = squash(this.#weights.mix(set, this.#inputs, count));
    const coded = this.#coder.code((chance << 4) | 8, bit);
    this.#weights.learn(set, this.#inputs, count, coded, chance);
    for (let i = 0; i < count; i++) states.learn(this.#places[i]!, coded);
    return coded;
  }
}

export function mixerBytes(bits: number): number {
  return weightBytes(SETS, CONTEXTS_MAX) + STATE_WORD_BYTES * 2 ** bits;
}
