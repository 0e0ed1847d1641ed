/** Commands for the range coders: from an alignment to coded blocks. Decoder: device-sdk/src/delta/ranged.ts. */
import {
  COPY_LENGTH,
  Coding,
  type CodingShape,
  codingBytes,
  FILL_LENGTH,
  INSERT_LENGTH,
  SEEK,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from './align.ts';
import type { Spent } from './commands.ts';
import { varint } from './header.ts';
import type { Fitting } from './model/fitting.ts';
import { RangeEncoder } from './range-encoder.ts';

/** A fill costs about three bytes and interrupts the literals around it; a run shorter than this costs less. */
const FILL_BYTES_MIN = 32;

/** @param blockBytes output bytes of each block; 0 for one block */
export function writeRanged(
  images: { old: Uint8Array; fresh: Uint8Array; copies: readonly Copy[] },
  shape: CodingShape,
  fitting: Fitting,
  blockBytes: number,
): { blocks: Uint8Array[]; spent: Spent } {
  const writer = new RangedWriter(images, shape, fitting, blockBytes);
  let at = 0;
  for (const copy of images.copies) {
    writer.insert(at, copy.newStart);
    writer.copy(copy);
    at = copy.newStart + copy.length;
  }
  writer.insert(at, images.fresh.length);
  return writer.finish();
}

class RangedWriter {
  readonly #spent: Spent = { copies: 0, inserts: 0, commandBytes: 0, patchBytes: 0, insertBytes: 0 };
  readonly #encoder = new RangeEncoder();
  readonly #coding: Coding;
  readonly #fitting: Fitting;
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #blockBytes: number;
  readonly #blocks: Uint8Array[] = [];
  #output = 0;
  #oldOffset = 0;
  /** True where the next command begins with the length of an insert. */
  #betweenCommands = true;

  constructor(
    images: { old: Uint8Array; fresh: Uint8Array },
    shape: CodingShape,
    fitting: Fitting,
    blockBytes: number,
  ) {
    this.#old = images.old;
    this.#fresh = images.fresh;
    this.#fitting = fitting;
    this.#blockBytes = blockBytes;
    const tables = new Uint8Array(codingBytes(shape));
    const old = { bytes: { byte: (offset: number) => images.old[offset] ?? 0 }, oldBytes: images.old.length };
    this.#coding = new Coding(shape, tables, old, { predictor: fitting.predictor, coder: this.#encoder });
    this.#coding.match?.index();
    this.#startBlock();
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
    for (let at = from; at < to; ) {
      const count = Math.min(to - at, this.#room());
      if (!this.#betweenCommands) throw new Error('two inserts in a row');
      this.#coding.numbers.code(count, INSERT_LENGTH);
      this.#coding.match?.begin(this.#coding.recent, this.#oldOffset);
      for (let i = at; i < at + count; i++) this.#literal(i);
      this.#betweenCommands = false;
      this.#spent.inserts++;
      this.#spent.insertBytes += count;
      at += count;
      this.#advance(count);
    }
  }

  #literal(at: number): void {
    const byte = this.#fresh[at]!;
    this.#coding.literals.code(byte, at);
    this.#coding.recent.put(byte);
    this.#pass(1);
    this.#coding.match?.take(byte, this.#coding.recent, this.#oldOffset);
  }

  #fill(from: number, length: number): void {
    for (let done = 0; done < length; ) {
      const count = Math.min(length - done, this.#room());
      this.#begin(1);
      this.#coding.numbers.code(count - 1, FILL_LENGTH);
      this.#coding.literals.code(this.#fresh[from]!, from + done);
      for (let i = 0; i < 4; i++) this.#coding.recent.put(this.#fresh[from]!);
      this.#betweenCommands = true;
      this.#spent.inserts++;
      done += count;
      this.#pass(count);
      this.#advance(count);
    }
  }

  #begin(kind: number): void {
    if (this.#betweenCommands) this.#coding.numbers.code(0, INSERT_LENGTH);
    this.#coding.kind(kind);
  }

  copy(copy: Copy): void {
    for (let done = 0; done < copy.length; ) {
      const count = Math.min(copy.length - done, this.#room());
      const oldStart = copy.oldStart + done;
      this.#begin(0);
      this.#coding.numbers.code(count - 1, COPY_LENGTH);
      this.#coding.numbers.codeSigned(oldStart - this.#oldOffset, SEEK);
      this.#units(oldStart, copy.newStart + done, count);
      this.#betweenCommands = true;
      this.#spent.copies++;
      this.#oldOffset = oldStart + count;
      done += count;
      this.#advance(count);
    }
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

  #room(): number {
    const rest = this.#fresh.length - this.#output;
    return this.#blockBytes === 0 ? rest : Math.min(rest, this.#blockBytes - (this.#output % this.#blockBytes));
  }

  #advance(count: number): void {
    this.#output += count;
    const ends = this.#blockBytes > 0 && this.#output % this.#blockBytes === 0;
    if (ends || this.#output === this.#fresh.length) this.#endBlock();
  }

  #startBlock(): void {
    this.#coding.reset();
    this.#fitting.reset();
    this.#betweenCommands = true;
  }

  #endBlock(): void {
    const coded = this.#encoder.finish();
    this.#blocks.push(Uint8Array.from(varint(coded.length)), coded);
    this.#spent.commandBytes += coded.length;
    this.#startBlock();
  }

  finish(): { blocks: Uint8Array[]; spent: Spent } {
    return { blocks: this.#blocks, spent: this.#spent };
  }
}
