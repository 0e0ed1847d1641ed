import { demand } from '../errors.ts';
import type { Predictor } from './model/predictor.ts';
import { KINDS, PLAIN, UNIT_BYTES_MAX } from './model/unit.ts';

/** Gives what a copy ought to be byte by byte, for commands that know no units. */
export class Copier {
  readonly #predictor: Predictor;
  /** New bytes of the unit at hand. */
  readonly #bytes = new Uint8Array(UNIT_BYTES_MAX);
  #at = 0;
  #size = 0;

  constructor(predictor: Predictor) {
    this.#predictor = predictor;
  }

  begin(oldOffset: number, newOffset: number, length: number): void {
    this.#predictor.copy(oldOffset, newOffset, length);
    this.#at = 0;
    this.#size = 0;
  }

  /** What the next byte ought to be, with `left` bytes of the copy to come. */
  guess(oldOffset: number, newOffset: number, left: number): number {
    if (this.#at === this.#size) {
      this.#predictor.look(oldOffset, newOffset, left);
      this.#at = 0;
      this.#size = this.#predictor.unit.size;
    }
    return this.#predictor.guess[this.#at]!;
  }

  /** What it is. */
  take(byte: number): void {
    this.#bytes[this.#at++] = byte;
    const { unit } = this.#predictor;
    if (this.#at < this.#size || unit.kind === PLAIN) return;
    const found = this.#predictor.targetOf(this.#bytes);
    if (found >= 0) this.#predictor.learn(found);
  }

  /** Eleven numbers. */
  save(): number[] {
    const { unit, guess, guessed, address } = this.#predictor;
    const packed = this.#size | (this.#at << 4) | (unit.kind << 8) | (unit.form << 12);
    return [...this.#predictor.save(), packed, unit.target, guessed, address, ...words(guess), ...words(this.#bytes)];
  }

  load(numbers: readonly number[]): void {
    const predictor = this.#predictor;
    const [packed, target, guessed, address, ...bytes] = numbers.slice(3) as [number, number, number, number];
    const { unit } = predictor;
    this.#size = packed & 15;
    this.#at = (packed >>> 4) & 15;
    unit.kind = (packed >>> 8) & 15;
    unit.form = packed >>> 12;
    const fits = this.#at <= this.#size && this.#size <= UNIT_BYTES_MAX && unit.kind < KINDS && unit.form < 16;
    demand(fits, 'BAD_STATE', 'dumped unit');
    predictor.load(numbers);
    unit.size = this.#size;
    unit.target = target;
    predictor.guessed = guessed;
    predictor.address = address;
    words(predictor.guess).set(bytes.slice(0, 2));
    words(this.#bytes).set(bytes.slice(2, 4));
  }
}

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, 0, 2);
}
