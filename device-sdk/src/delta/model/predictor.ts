import type { Regions } from './regions.ts';
import type { Targets } from './targets.ts';
import {
  type Bytes,
  type Cpu,
  get32,
  PLAIN,
  POINTER,
  put32,
  swapped,
  UNIT_BYTES_MAX,
  type Unit,
  word,
} from './unit.ts';

export interface Images {
  bytes: Bytes;
  old: Regions;
  fresh: Regions;
}

/** Walks along a copy, unit by unit, and says what the new bytes ought to be. */
export class Predictor {
  readonly unit: Unit = { size: 1, kind: PLAIN, form: 0, target: 0 };
  /** Old bytes of the unit, and what they ought to become. */
  readonly before = new Uint8Array(UNIT_BYTES_MAX);
  readonly guess = new Uint8Array(UNIT_BYTES_MAX);
  /** True if guess and old bytes differ. */
  moved = false;
  /** New address of the unit, and the guess at its target. */
  address = 0;
  guessed = 0;
  /** Told of every unit looked at; for measuring only. */
  watch: ((newOffset: number) => void) | undefined;
  readonly #images: Images;
  readonly #targets: Targets;
  readonly #cpu: Cpu;
  readonly #bigEndian: boolean;
  readonly #pointers: boolean;

  constructor(images: Images, targets: Targets, cpu: Cpu, pointers: boolean) {
    this.#images = images;
    this.#targets = targets;
    this.#cpu = cpu;
    this.#bigEndian = cpu.bigEndian;
    this.#pointers = pointers;
  }

  copy(oldStart: number, newStart: number, length: number): void {
    this.#cpu.reset();
    this.#targets.copy(oldStart, oldStart + length, newStart - oldStart);
  }

  /** Decodes the unit at `offset` of the old image, of which at most `left` bytes are copied, to `newOffset`. */
  look(offset: number, newOffset: number, left: number): void {
    this.#look(offset, newOffset, left);
    this.watch?.(newOffset);
  }

  #look(offset: number, newOffset: number, left: number): void {
    const { bytes, old, fresh } = this.#images;
    const { unit, before, guess } = this;
    const address = old.addressOf(offset);
    this.#decode(offset, address);
    if (unit.size > left) {
      unit.size = left;
      unit.kind = PLAIN;
    }
    for (let i = 0; i < unit.size; i++) guess[i] = before[i] = bytes.byte(offset + i);
    this.moved = false;
    if (unit.kind === PLAIN) return;
    this.address = fresh.addressOf(newOffset);
    this.guessed = this.#targets.translate(unit.target);
    this.put(this.guessed);
    for (let i = 0; i < unit.size; i++) if (guess[i] !== before[i]) this.moved = true;
  }

  #decode(offset: number, address: number): void {
    const { unit } = this;
    if (this.#isPointer(offset, address)) {
      unit.size = 4;
      unit.kind = POINTER;
      unit.form = 0;
      unit.target = this.#wordAt(offset);
      return;
    }
    unit.kind = PLAIN;
    unit.size = 4 - (address & 3);
    if (!this.#images.old.isCode(offset)) return;
    if ((address & (this.#cpu.align - 1)) !== 0) {
      unit.size = 1;
      return;
    }
    this.#cpu.look(this.#images.bytes, offset, address, unit);
    if (this.#cpu.align > 1) return;
    // Literals stand between functions: an instruction does not reach into one.
    const toWord = -address & 3;
    if (toWord === 0 || toWord >= unit.size || !this.#isPointer(offset + toWord, address + toWord)) return;
    unit.kind = PLAIN;
    unit.size = toWord;
  }

  #isPointer(offset: number, address: number): boolean {
    return this.#pointers && (address & 3) === 0 && this.#targets.isKnown(this.#wordAt(offset));
  }

  #wordAt(offset: number): number {
    const little = word(this.#images.bytes, offset);
    return this.#bigEndian ? swapped(little) : little;
  }

  /** Lets the guess point at `target`, starting from the old bytes. @returns false if it cannot */
  put(target: number): boolean {
    const { unit, guess } = this;
    if (unit.kind === POINTER) {
      put32(guess, 0, this.#bigEndian ? swapped(target) : target);
      return true;
    }
    return this.#cpu.retarget(guess, unit.form, this.address, target);
  }

  /** The target of the new bytes, if they have the form of the old ones; else -1. */
  targetOf(bytes: Uint8Array): number {
    const { unit } = this;
    if (unit.kind === POINTER) return this.#bigEndian ? swapped(get32(bytes, 0)) : get32(bytes, 0);
    return this.#cpu.targetOf(bytes, unit.form, this.address);
  }

  /** What a dump keeps: the copy at hand. */
  save(): number[] {
    return this.#targets.save();
  }

  load(numbers: readonly number[]): void {
    this.#targets.load(numbers);
  }

  learn(found: number): void {
    if (found !== this.guessed) this.#targets.learn(this.unit.target, found);
  }
}
