import type { Chances } from './chances.ts';
import { TREE_STATES } from './literals.ts';
import { type Numbers, SHIFT } from './numbers.ts';
import type { Predictor } from './predictor.ts';
import type { Recent } from './recent.ts';
import { SET_BYTE, SET_FORM, SET_MASK, SET_OLD, SET_SAME, SET_SHIFT } from './sets.ts';
import { KINDS, UNIT_BYTES_MAX } from './unit.ts';

/** Shifts of targets kept for reuse: a hit costs about two bits, a new one two bytes. */
export const SHIFTS = 8;
const NOT_TOLD = 0x8000_0000;

/** First states of the decisions, one behind the other; the first 128 are the fine ones. */
const SAME = 0;
const OLD = 128;
const FORM = OLD + KINDS;
const SHIFT_AT = FORM + KINDS;
const MASK = SHIFT_AT + SHIFTS;
export const UNIT_STATES = MASK + 128;

/** What the new bytes of a unit are, given what they ought to be. */
export class Units {
  readonly #chances: Chances;
  readonly #numbers: Numbers;
  readonly #predictor: Predictor;
  readonly #recent: Recent;
  readonly #trees: number;
  readonly #treeCount: number;
  /** One bit per unit, newest lowest: 1 for one that was not as predicted. */
  #history = 0;
  /** Units since the last that was not as predicted, at most 255. */
  #quiet = 0;
  readonly #shifts = new Int32Array(SHIFTS);
  readonly #residuals = new Uint8Array(UNIT_BYTES_MAX);
  readonly #kept = new Uint8Array(UNIT_BYTES_MAX);
  /** The new bytes of the unit. */
  readonly bytes = new Uint8Array(UNIT_BYTES_MAX);

  /** @param trees first state of `treeCount` trees, 4 or 10 */
  constructor(
    chances: Chances,
    numbers: Numbers,
    predictor: Predictor,
    recent: Recent,
    trees: { first: number; count: number },
  ) {
    this.#chances = chances;
    this.#numbers = numbers;
    this.#predictor = predictor;
    this.#recent = recent;
    this.#trees = trees.first;
    this.#treeCount = trees.count;
  }

  reset(): void {
    this.#history = 0;
    this.#quiet = 0;
    this.#shifts.fill(0);
    this.#residuals.fill(0);
  }

  /** Codes the unit the predictor has just looked at. Encoders put the new bytes into `bytes` first. */
  code(): void {
    const { unit, guess } = this.#predictor;
    const same = this.#same(equal(this.bytes, guess, unit.size)) === 1;
    this.#history = ((this.#history << 1) | (same ? 0 : 1)) & 0xffff;
    this.#quiet = same ? Math.min(this.#quiet + 1, 255) : 0;
    if (same) copy(this.bytes, guess, unit.size);
    else this.#different();
    const found = unit.kind === 0 ? -1 : this.#predictor.targetOf(this.bytes);
    if (found >= 0) this.#predictor.learn(found);
  }

  #same(same: boolean): number {
    const { unit, moved, before } = this.#predictor;
    const { contexts } = this.#chances;
    const history = this.#history;
    const kind = unit.kind * 2 + (moved ? 1 : 0);
    const key = this.#key();
    contexts[0] = kind * 64 + (history & 63);
    contexts[1] = 0x100000 + kind * 4096 + (history & 15) * 256 + before[0]!;
    contexts[2] = 0x300000 + (this.#quiet >> 2) * 16 + kind;
    contexts[3] = 0x1400000 + history * 16 + kind;
    contexts[4] = Math.imul(key, 0x2c9277b5) ^ 0x7777;
    contexts[5] = Math.imul(key, 0x5bd1e995) ^ (history & 3);
    return this.#chances.decide(same ? 1 : 0, SET_SAME + kind, SAME + kind * 8 + (history & 7), 6);
  }

  #different(): void {
    const { unit, moved } = this.#predictor;
    if (moved && this.#old()) return;
    if (unit.kind !== 0 && this.#target()) return;
    const mask = this.#mask();
    this.#residual(mask);
  }

  #old(): boolean {
    const { unit, before } = this.#predictor;
    const { contexts } = this.#chances;
    contexts[0] = 0x12fd1 + unit.kind * 16 + (this.#history & 15);
    contexts[1] = 0x1869f + unit.kind * 256 + before[0]!;
    const bit = equal(this.bytes, before, unit.size) ? 1 : 0;
    if (this.#chances.decide(bit, SET_OLD + unit.kind, OLD + unit.kind, 2) === 0) return false;
    copy(this.bytes, before, unit.size);
    return true;
  }

  /** The same instruction with another target: its shift, one of the last or a new one. */
  #target(): boolean {
    const predictor = this.#predictor;
    const { unit, before, guess } = predictor;
    const { contexts } = this.#chances;
    const found = this.#foundTarget();
    contexts[0] = 0x12d687 + unit.kind;
    contexts[1] = 0x315b47 + unit.kind * 256 + before[0]!;
    if (this.#chances.decide(found >= 0 ? 1 : 0, SET_FORM + unit.kind, FORM + unit.kind, 2) === 0) return false;
    const shift = this.#shift((found - unit.target) | 0);
    predictor.put((unit.target + shift) >>> 0);
    copy(this.bytes, guess, unit.size);
    return true;
  }

  /** For encoders: the new target, if pointing there makes exactly the new bytes; else -1. Leaves the guess as it was. */
  #foundTarget(): number {
    const predictor = this.#predictor;
    const found = predictor.targetOf(this.bytes);
    if (found < 0) return -1;
    this.#kept.set(predictor.guess);
    const fits = predictor.put(found) && equal(this.bytes, predictor.guess, predictor.unit.size);
    predictor.guess.set(this.#kept);
    return fits && this.#tells((found - predictor.unit.target) | 0) ? found : -1;
  }

  /** Numbers are below 2^32 - 1: of all new shifts the one that is 2^31 from the last cannot be told. */
  #tells(shift: number): boolean {
    return shift !== (this.#shifts[0]! ^ NOT_TOLD) || this.#shifts.includes(shift);
  }

  #shift(shift: number): number {
    const shifts = this.#shifts;
    const { contexts } = this.#chances;
    let at = 0;
    for (; at < SHIFTS; at++) {
      contexts[0] = 0x409f5f + at + this.#predictor.unit.kind * 16;
      contexts[1] = 0x501e47 + at + (this.#history & 7) * 16;
      if (this.#chances.decide(shifts[at] === shift ? 1 : 0, SET_SHIFT + at, SHIFT_AT + at, 2) === 1) break;
    }
    const coded =
      at < SHIFTS ? shifts[at]! : (shifts[0]! + this.#numbers.codeSigned((shift - shifts[0]!) | 0, SHIFT)) | 0;
    shifts.copyWithin(1, 0, Math.min(at, SHIFTS - 1));
    shifts[0] = coded;
    return coded;
  }

  /** Which bytes differ from the guess. At least one does, so the last is not asked when no other did. */
  #mask(): number {
    const { unit, before, guess } = this.#predictor;
    const { contexts } = this.#chances;
    const { size } = unit;
    const key = Math.imul(this.#key(), 0x9e3779b1);
    let mask = 0;
    for (let i = 0; i < size; i++) {
      if (i === size - 1 && mask === 0) return 1 << i;
      contexts[0] = 0x5f2217 + (unit.kind * 8 + size) * 2048 + i * 256 + mask;
      contexts[1] = (size * 8 + i) * 65536 + before[0]! * 256 + mask;
      contexts[2] = 0x7000000 + (size * 8 + i) * 65536 + before[i]! * 256 + mask;
      contexts[3] = key + i * 512 + mask;
      const state = MASK + (Math.min(size, 4) - 1) * 32 + (i & 3) * 8 + (mask & 7);
      const bit = this.bytes[i] === guess[i] ? 0 : 1;
      mask |= this.#chances.decide(bit, SET_MASK + i, state, 4) << i;
    }
    return mask;
  }

  #residual(mask: number): void {
    const { unit, before, guess } = this.#predictor;
    const { contexts } = this.#chances;
    const { bytes } = this;
    const { size } = unit;
    const key = Math.imul(this.#key(), 0x9e3779b1);
    for (let i = 0; i < size; i++) {
      const guessed = guess[i]!;
      if (((mask >> i) & 1) === 0) {
        bytes[i] = guessed;
        continue;
      }
      const previous = i === 0 ? this.#recent.a : bytes[i - 1]!;
      // Behind a unit of one byte the buffer holds what an earlier unit left, which a restored decoder does not know.
      const beside = i > 0 ? guess[i - 1]! : size > 1 ? before[1]! : 0;
      const residual = (bytes[i]! - guessed) & 0xff;
      const place = size * 8 + i;
      const tree = this.#trees + this.#tree(size, i) * TREE_STATES;
      let node = 1;
      for (let bit = 7; bit >= 0; bit--) {
        const here = (place * 256 + node) * 256;
        contexts[0] = 0x2000000 + place * 256 + node;
        contexts[1] = here + guessed;
        contexts[2] = 0x30000000 + here + this.#residuals[i]!;
        contexts[3] = key ^ (node + i * 256);
        contexts[4] = (here + previous) ^ 0x5a000000;
        contexts[5] = Math.imul((node + i * 256) * 65536 + guessed * 256 + beside, 0x27d4eb2d);
        const decided = this.#chances.decide((residual >> bit) & 1, SET_BYTE + i * 8 + bit, tree + node, 6);
        node = 2 * node + decided;
      }
      this.#residuals[i] = node;
      bytes[i] = guessed + node;
    }
  }

  /** Ten trees: one per place in units of two, three, four and other bytes. Four trees: one per place. */
  #tree(size: number, place: number): number {
    const i = place & 3;
    if (this.#treeCount === 4) return i;
    return size === 1 ? 0 : size === 2 ? 1 + i : size === 3 ? 3 + i : 6 + i;
  }

  /** The old bytes of the unit as one number. */
  #key(): number {
    const { unit, before } = this.#predictor;
    let key = before[0]!;
    for (let i = 1; i < unit.size && i < 4; i++) key |= before[i]! << (8 * i);
    return unit.size > 2 ? key : Math.imul(key + unit.size, 0x10001);
  }

  /** What a dump keeps: history, quiet run, shifts, residuals. */
  save(): number[] {
    const { buffer } = this.#residuals;
    const residuals = new Uint32Array(buffer, 0, 2);
    return [this.#history, this.#quiet, ...Array.from(this.#shifts, (shift) => shift >>> 0), ...residuals];
  }

  load(numbers: readonly number[]): void {
    this.#history = numbers[0]! & 0xffff;
    this.#quiet = numbers[1]! & 0xff;
    for (let i = 0; i < SHIFTS; i++) this.#shifts[i] = numbers[2 + i]! | 0;
    new Uint32Array(this.#residuals.buffer, 0, 2).set(numbers.slice(2 + SHIFTS, 4 + SHIFTS));
  }
}

/** Byte by byte: for two to eight of them a view costs more than they do. */
function copy(to: Uint8Array, from: Uint8Array, count: number): void {
  for (let i = 0; i < count; i++) to[i] = from[i]!;
}

function equal(a: Uint8Array, b: Uint8Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}
