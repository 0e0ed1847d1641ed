import { type BitCoder, type Chances, CONTEXTS_MAX } from './chances.ts';
import { RATE, STRETCH, squash } from './mix.ts';
import { SET_OLD, SETS } from './sets.ts';

const WEIGHTS = CONTEXTS_MAX + 1;
/** Tables from this size on take six contexts for a decision, smaller ones three. */
export const RICH_BITS = 16;
/** First weights, of 65,536: all contexts together a little above 1. */
const RICH_WEIGHT = 20_000;
const LEAN_WEIGHT = 32_000;
const LEARNING = 6;
const BIAS = 256;
const VISITS_MAX = 127;

/** Several contexts per decision, each hashed to a state of 16 bits and a count of visits, joined by logistic mixing. */
export class Mixer implements Chances {
  readonly contexts = new Int32Array(CONTEXTS_MAX);
  readonly rich: boolean;
  readonly #weights: Int32Array;
  readonly #states: Uint16Array;
  readonly #visits: Uint8Array;
  readonly #coder: BitCoder;
  readonly #slots = new Int32Array(CONTEXTS_MAX);
  readonly #inputs = new Int32Array(CONTEXTS_MAX);

  /** @param memory {@link mixerBytes} of `bits`, aligned to 4 */
  constructor(memory: Uint8Array, bits: number, coder: BitCoder) {
    const size = 2 ** bits;
    this.rich = bits >= RICH_BITS;
    this.#weights = new Int32Array(memory.buffer, memory.byteOffset, WEIGHTS * SETS);
    const states = 4 * WEIGHTS * SETS;
    this.#states = new Uint16Array(memory.buffer, memory.byteOffset + states, size);
    this.#visits = memory.subarray(states + 2 * size, states + 3 * size);
    this.#coder = coder;
  }

  reset(): void {
    this.#weights.fill(this.rich ? RICH_WEIGHT : LEAN_WEIGHT);
    this.#states.fill(1 << 15);
    this.#visits.fill(0);
  }

  decide(bit: number, set: number, _state: number, count: number): number {
    const first = set * WEIGHTS;
    const chance = squash(
      this.#mix(first, count, set < SET_OLD ? this.#states.length / 8 - 1 : this.#states.length - 1),
    );
    const coded = this.#coder.code((chance << 4) | 8, bit);
    this.#learn(first, count, ((coded << 12) - chance) * LEARNING);
    this.#visit(coded, count);
    return coded;
  }

  /** The weighted sum can exceed 32 bits: it is exact in a double, and needs 64 bits in C. */
  #mix(first: number, count: number, mask: number): number {
    let sum = BIAS * this.#weights[first + CONTEXTS_MAX]!;
    for (let i = 0; i < count; i++) {
      const slot = hash(this.contexts[i]!, i) & mask;
      this.#slots[i] = slot;
      const input = STRETCH[this.#states[slot]! >> 4]!;
      this.#inputs[i] = input;
      sum += input * this.#weights[first + i]!;
    }
    return Math.max(-2047, Math.min(2047, Math.floor(sum / 65536)));
  }

  #learn(first: number, count: number, error: number): void {
    const weights = this.#weights;
    for (let i = 0; i < count; i++) weights[first + i] = bounded(weights[first + i]! + step(this.#inputs[i]!, error));
    weights[first + CONTEXTS_MAX] = bounded(weights[first + CONTEXTS_MAX]! + step(BIAS, error));
  }

  #visit(coded: number, count: number): void {
    const aim = coded === 1 ? 65535 : 0;
    for (let i = 0; i < count; i++) {
      const slot = this.#slots[i]!;
      const chance = this.#states[slot]!;
      const visits = this.#visits[slot]!;
      this.#states[slot] = chance + Math.floor(((aim - chance) * RATE[visits]!) / 65536);
      if (visits < VISITS_MAX) this.#visits[slot] = visits + 1;
    }
  }
}

export function mixerBytes(bits: number): number {
  return 4 * WEIGHTS * SETS + 3 * 2 ** bits;
}

function step(input: number, error: number): number {
  return (input * error + 0x2000) >> 14;
}

/** A weight stays within 24 bits, so that no sum leaves 53. */
function bounded(weight: number): number {
  return Math.max(-0x800000, Math.min(0x7fffff, weight));
}

function hash(context: number, input: number): number {
  let h = Math.imul(context + Math.imul(input, 0x3d4d51cb), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
}
