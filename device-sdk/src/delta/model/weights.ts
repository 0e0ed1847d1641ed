const BIAS = 256;
const LEARNING = 10;

/** Sets of weights, each of which joins the same inputs in its own way, and learns from the bit that comes. */
export class Weights {
  readonly #weights: Int32Array;
  readonly #stride: number;
  readonly #first: number;

  /** @param first what all weights are at the start of a block, of 65,536 */
  constructor(weights: Int32Array, inputs: number, first: number) {
    this.#weights = weights;
    this.#stride = inputs + 1;
    this.#first = first;
  }

  reset(): void {
    this.#weights.fill(this.#first);
  }

  /** In the logistic domain. The sum can exceed 32 bits: it is exact in a double, and needs 64 bits in C. */
  mix(set: number, inputs: Int32Array, count: number): number {
    const weights = this.#weights;
    const first = set * this.#stride;
    let sum = BIAS * weights[first + this.#stride - 1]!;
    for (let i = 0; i < count; i++) sum += inputs[i]! * weights[first + i]!;
    return Math.max(-2047, Math.min(2047, Math.floor(sum / 65536)));
  }

  /** @param chance what this set alone would have said, 12 bits */
  learn(set: number, inputs: Int32Array, count: number, bit: number, chance: number): void {
    const weights = this.#weights;
    const first = set * this.#stride;
    const error = ((bit << 12) - chance) * LEARNING;
    for (let i = 0; i < count; i++) weights[first + i] = bounded(weights[first + i]! + step(inputs[i]!, error));
    const bias = first + this.#stride - 1;
    weights[bias] = bounded(weights[bias]! + step(BIAS, error));
  }
}

/** Bytes of `sets` sets for so many inputs. */
export function weightBytes(sets: number, inputs: number): number {
  return 4 * sets * (inputs + 1);
}

function step(input: number, error: number): number {
  return (input * error + 0x2000) >> 14;
}

/** A weight stays within 24 bits, so that no sum leaves 53. */
function bounded(weight: number): number {
  return Math.max(-0x800000, Math.min(0x7fffff, weight));
}
