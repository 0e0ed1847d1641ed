/** Commands for the range coders: from an alignment to coded blocks. Decoder: device-sdk/src/delta/ranged.ts. */
import { type BlockOrder, CODER_MIXING } from '@countersign/device-sdk/delta';
import {
  COPY_LENGTH,
  Coding,
  type CodingShape,
  FILL_LENGTH,
  INSERT_LENGTH,
  liteCoding,
  mixingCoding,
  SEEK,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from './align.ts';
import { type BlockWriter, writeBlocks } from './blocks.ts';
import type { Spent } from './commands.ts';
import { varint } from './header.ts';
import type { Fitting } from './model/fitting.ts';
import { RangeEncoder } from './range-encoder.ts';

/** A fill costs about three bytes and interrupts the literals around it; a run shorter than this costs less. */
const FILL_BYTES_MIN = 32;

/**
 * Nothing if the blocks together would be longer than `most` bytes. It stops there: the mixing coder takes two seconds for a
 * full image of half a megabyte, and a hundredth of that to be longer than most deltas.
 */
export function writeRanged(
  images: { old: Uint8Array; fresh: Uint8Array; copies: readonly Copy[] },
  shape: CodingShape & { coder: number },
  order: BlockOrder,
  fitting: Fitting,
  most = Number.POSITIVE_INFINITY,
): { blocks: Uint8Array[]; spent: Spent } | undefined {
  const writer = new RangedWriter(images, shape, order, fitting, most);
  try {
    writeBlocks(images.copies, order, writer);
  } catch (error) {
    if (error instanceof TooLong) return undefined;
    throw error;
  }
  return { blocks: writer.blocks, spent: writer.spent };
}

/** Leaves a candidate that has lost from within its innermost loop. */
class TooLong extends Error {}

class RangedWriter implements BlockWriter {
  readonly blocks: Uint8Array[] = [];
  readonly spent: Spent = { copies: 0, inserts: 0, commandBytes: 0, patchBytes: 0, insertBytes: 0 };
  readonly #encoder = new RangeEncoder();
  readonly #coding: Coding;
  readonly #fitting: Fitting;
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #order: BlockOrder;
  readonly #most: number;
  /** Coded bytes of the blocks before this one. */
  #behind = 0;
  #oldOffset = 0;
  /** Old place less new place of the block's first copy. */
  #shift: number | undefined;
  /** True where the next command begins with the length of an insert. */
  #betweenCommands = true;

  constructor(
    images: { old: Uint8Array; fresh: Uint8Array },
    shape: CodingShape & { coder: number },
    order: BlockOrder,
    fitting: Fitting,
    most: number,
  ) {
    this.#most = most;
    this.#old = images.old;
    this.#fresh = images.fresh;
    this.#fitting = fitting;
    this.#order = order;
    const kind = shape.coder === CODER_MIXING ? mixingCoding : liteCoding;
    const tables = new Uint8Array(kind.bytes(shape));
    const old = { bytes: fitting.bytes, oldBytes: images.old.length };
    this.#coding = new Coding(kind, shape, tables, old, { predictor: fitting.predictor, coder: this.#encoder });
  }

  open(turn: number): void {
    this.#fitting.open(this.#order, turn);
    this.#betweenCommands = true;
    if (this.#order.backward) this.#oldOffset = this.#order.oldStart(turn, this.#shift ?? 0, this.#old.length);
    this.#shift = undefined;
    this.#coding.reset(this.#oldOffset);
  }

  close(): void {
    const coded = this.#encoder.finish();
    this.blocks.push(Uint8Array.from(varint(coded.length)), coded);
    this.spent.commandBytes += coded.length;
    this.#behind += varint(coded.length).length + coded.length;
    if (this.#behind > this.#most) throw new TooLong();
  }

  insert(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const run = this.#runAt(at, to);
      if (run >= FILL_BYTES_MIN) {
        this.#fill(at, run);
        at += run;
        continue;
      }
      let end = at + run;
      while (end < to) {
        const next = this.#runAt(end, to);
        if (next >= FILL_BYTES_MIN) break;
        end += next;
      }
      this.#literals(at, end);
      at = end;
    }
  }

  /** Equal bytes from `at` on. */
  #runAt(at: number, to: number): number {
    let end = at + 1;
    while (end < to && this.#fresh[end] === this.#fresh[at]) end++;
    return end - at;
  }

  #literals(from: number, to: number): void {
    if (!this.#betweenCommands) throw new Error('two inserts in a row');
    this.#coding.numbers.code(to - from, INSERT_LENGTH);
    for (let i = from; i < to; i++) this.#literal(i);
    this.#betweenCommands = false;
    this.spent.inserts++;
    this.spent.insertBytes += to - from;
  }

  #literal(at: number): void {
    // What is written of a block can only grow but for zeros at its end, which are left out.
    if (this.#behind + this.#encoder.written > this.#most) throw new TooLong();
    const byte = this.#fresh[at]!;
    this.#coding.literals.code(byte, at);
    this.#coding.recent.put(byte);
    this.#pass(1);
  }

  #fill(at: number, length: number): void {
    this.#begin(1);
    this.#coding.numbers.code(length - 1, FILL_LENGTH);
    this.#coding.literals.code(this.#fresh[at]!, at);
    this.#coding.recent.fill(this.#fresh[at]!);
    this.#betweenCommands = true;
    this.spent.inserts++;
    this.#pass(length);
  }

  #begin(kind: number): void {
    if (this.#betweenCommands) this.#coding.numbers.code(0, INSERT_LENGTH);
    this.#coding.kind(kind);
  }

  copy({ newStart, oldStart, length }: Copy): void {
    this.#shift ??= oldStart - newStart;
    this.#begin(0);
    this.#coding.numbers.code(length - 1, COPY_LENGTH);
    this.#coding.numbers.codeSigned(oldStart - this.#oldOffset, SEEK);
    this.#units(oldStart, newStart, length);
    this.#betweenCommands = true;
    this.spent.copies++;
    this.#oldOffset = oldStart + length;
  }

  #units(oldStart: number, newStart: number, length: number): void {
    const { units, recent } = this.#coding;
    const { predictor } = this.#fitting;
    predictor.copy(oldStart, newStart, length);
    for (let done = 0; done < length; ) {
      predictor.look(oldStart + done, newStart + done, length - done);
      const { size } = predictor.unit;
      for (let i = 0; i < size; i++) units.bytes[i] = this.#fresh[newStart + done + i]!;
      units.code();
      for (let i = 0; i < size; i++) recent.put(units.bytes[i]!);
      done += size;
    }
  }

  #pass(count: number): void {
    this.#oldOffset = Math.min(this.#oldOffset + count, this.#old.length);
  }
}
