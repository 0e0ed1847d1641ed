import { demand } from '../../errors.ts';
import type { BitCoder } from './chances.ts';

/**
 * Coded bytes that wait: more than one step of the decoder can use (at most 110 decisions of 12 bits), so that a step
 * never has to stop in the middle.
 */
export const QUEUE_BYTES = 256;
export const STEP_BYTES_MAX = 168;

/** Below this the range takes in the next byte. */
export const RANGE_MIN = 0x1000000;

/** A binary range decoder (Martin, 1979) that reads from a small queue; beyond the end of its block it reads zeros. */
export class RangeDecoder implements BitCoder {
  readonly #queue: Uint8Array;
  #head = 0;
  #tail = 0;
  #range = 0;
  #code = 0;

  constructor(queue: Uint8Array) {
    this.#queue = queue;
  }

  get waiting(): number {
    return this.#tail - this.#head;
  }

  put(byte: number): void {
    if (this.#tail === this.#queue.length) {
      this.#queue.copyWithin(0, this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    }
    this.#queue[this.#tail++] = byte;
  }

  /** Before the first bit of a block, with its first four bytes in the queue. */
  start(): void {
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  code(chance: number, _bit: number): number {
    const bound = (this.#range >>> 16) * chance;
    const bit = this.#code < bound ? 1 : 0;
    if (bit === 1) this.#range = bound;
    else {
      this.#code -= bound;
      this.#range -= bound;
    }
    while (this.#range < RANGE_MIN) {
      this.#range = (this.#range << 8) >>> 0;
      this.#code = ((this.#code << 8) | this.#next()) >>> 0;
    }
    return bit;
  }

  #next(): number {
    return this.#head < this.#tail ? this.#queue[this.#head++]! : 0;
  }

  save(): number[] {
    return [this.#head, this.#tail, this.#range, this.#code];
  }

  /** @param begun bits of a block have been read */
  load(numbers: readonly number[], begun: boolean): void {
    const [head, tail, range, code] = numbers as [number, number, number, number];
    // A queue with more than a step in it would have been used: taking in one byte more must not meet a full one.
    const waits = head <= tail && tail <= this.#queue.length && tail - head < STEP_BYTES_MAX;
    demand(waits, 'BAD_STATE', 'dumped queue');
    // A range of 0 never grows to its least: the decoder would look for bytes for ever. Before the first bit it has none.
    demand(range >= RANGE_MIN || (range === 0 && !begun), 'BAD_STATE', 'dumped range');
    this.#head = head;
    this.#tail = tail;
    this.#range = range;
    this.#code = code;
  }
}
