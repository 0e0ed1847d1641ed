import { type BitCoder, type Chances, CONTEXTS_MAX } from './chances.ts';
import { RATE } from './rate.ts';

/** States that learn slowly and precisely: those of the flags in front of every unit. */
export const FINE_STATES = 128;
const FINE_VISITS_MAX = 254;
/** Visits after which a state goes on learning at the same rate. */
const VISITS_MAX = 15;
const HALF = 2048 << 4;

/**
 * One state per decision: 12 bits of probability and 4 of visits. The first states are fine: 16 bits of probability,
 * and their visits apart.
 */
export class Lite implements Chances {
  readonly contexts = new Int32Array(CONTEXTS_MAX);
  readonly #states: Uint16Array;
  readonly #visits: Uint8Array;
  readonly #coder: BitCoder;

  /** @param memory {@link liteBytes} of the number of states, aligned to 2 */
  constructor(memory: Uint8Array, states: number, coder: BitCoder) {
    this.#states = new Uint16Array(memory.buffer, memory.byteOffset, states);
    this.#visits = memory.subarray(2 * states, 2 * states + FINE_STATES);
    this.#coder = coder;
  }

  reset(): void {
    this.#states.fill(HALF);
    this.#states.fill(1 << 15, 0, FINE_STATES);
    this.#visits.fill(0);
  }

  decide(bit: number, _set: number, state: number, _count: number): number {
    if (state < 0) return this.#coder.code(32768, bit);
    return state < FINE_STATES ? this.#fine(bit, state) : this.#coarse(bit, state);
  }

  #fine(bit: number, state: number): number {
    const chance = this.#states[state]!;
    const coded = this.#coder.code(Math.min(Math.max(chance, 16), 65520), bit);
    const visits = this.#visits[state]!;
    // The product has 33 bits: a C decoder needs a wider type here, or the shift of both factors.
    const step = Math.floor((((coded === 1 ? 65535 : 0) - chance) * RATE[visits]!) / 65536);
    this.#states[state] = chance + step;
    if (visits < FINE_VISITS_MAX) this.#visits[state] = visits + 1;
    return coded;
  }

  #coarse(bit: number, state: number): number {
    const packed = this.#states[state]!;
    const visits = packed & 15;
    const chance = packed >> 4;
    const coded = this.#coder.code((chance << 4) | 8, bit);
    const next = chance + ((((coded === 1 ? 4095 : 0) - chance) * RATE[visits]!) >> 16);
    this.#states[state] = (next << 4) | (visits < VISITS_MAX ? visits + 1 : visits);
    return coded;
  }
}

export function liteBytes(states: number): number {
  return 2 * states + FINE_STATES;
}
