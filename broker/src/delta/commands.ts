/** From an alignment to the commands of a container, cut into blocks at every checkpoint. */
import { type BlockOrder, COPY_FROM, COPY_ON, FILL, GAP_ESCAPE, INSERT } from '@countersign/device-sdk/delta';
import type { Copy } from './align.ts';
import { type BlockWriter, writeBlocks } from './blocks.ts';
import { varint } from './header.ts';
import type { Fitting } from './model/fitting.ts';

/** What two bits of a token can say. Longer runs take a token each: measured smaller than any other split of the byte. */
const PATCHES_MAX = 4;
/** A fill costs about four bytes and interrupts the literal around it; a coded run of this length costs more. */
const FILL_BYTES_MIN = 48;

/** What the commands are spent on, in bytes before coding. */
export interface Spent {
  copies: number;
  inserts: number;
  commandBytes: number;
  patchBytes: number;
  insertBytes: number;
}

/**
 * @param fitting copies are what its predictor says; without one they are the old bytes
 * @returns the plain bytes of each block
 */
export function writeCommands(
  { old, fresh, copies }: { old: Uint8Array; fresh: Uint8Array; copies: readonly Copy[] },
  order: BlockOrder,
  fitting?: Fitting,
): { blocks: Uint8Array[]; spent: Spent } {
  const writer = new CommandWriter(old, fresh, order, fitting);
  writeBlocks(copies, order, writer);
  return { blocks: writer.blocks, spent: writer.spent };
}

class CommandWriter implements BlockWriter {
  readonly spent: Spent = { copies: 0, inserts: 0, commandBytes: 0, patchBytes: 0, insertBytes: 0 };
  readonly blocks: Uint8Array[] = [];
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #order: BlockOrder;
  readonly #fitting: Fitting | undefined;
  #bytes: number[] = [];
  #oldAt = 0;
  /** Old place less new place of the block's first copy. */
  #shift: number | undefined;

  constructor(old: Uint8Array, fresh: Uint8Array, order: BlockOrder, fitting: Fitting | undefined) {
    this.#fitting = fitting;
    this.#old = old;
    this.#fresh = fresh;
    this.#order = order;
  }

  open(turn: number): void {
    this.#fitting?.open(this.#order, turn);
    if (this.#order.backward) this.#oldAt = this.#order.oldStart(turn, this.#shift ?? 0, this.#old.length);
    this.#shift = undefined;
  }

  close(): void {
    this.blocks.push(Uint8Array.from(this.#bytes));
    this.#bytes = [];
  }

  /** Long runs of one byte (padding, cleared tables) are one fill; what stands between them is inserted. */
  insert(from: number, end: number): void {
    let start = from;
    for (let at = from; at < end; ) {
      let run = 1;
      while (at + run < end && this.#fresh[at + run] === this.#fresh[at]) run++;
      if (run >= FILL_BYTES_MIN) {
        this.#literal(start, at);
        this.#number(4 * run + FILL);
        this.#bytes.push(this.#fresh[at]!);
        this.spent.inserts++;
        start = at + run;
      }
      at += run;
    }
    this.#literal(start, end);
  }

  #literal(from: number, to: number): void {
    if (from === to) return;
    this.#number(4 * (to - from) + INSERT);
    for (let i = from; i < to; i++) this.#bytes.push(this.#fresh[i]!);
    this.spent.inserts++;
    this.spent.insertBytes += to - from;
  }

  copy({ newStart, oldStart, length }: Copy): void {
    this.#shift ??= oldStart - newStart;
    const distance = oldStart - this.#oldAt;
    this.#number(4 * length + (distance === 0 ? COPY_ON : COPY_FROM));
    if (distance !== 0) this.#number(distance > 0 ? 2 * distance : -2 * distance - 1);
    this.#oldAt = oldStart + length;
    this.spent.copies++;
    const expected = this.#expected(newStart, oldStart, length);
    const differs = (i: number) => this.#fresh[newStart + i] !== expected[i];
    for (let at = 0; at < length; ) {
      let gap = 0;
      while (at + gap < length && !differs(at + gap)) gap++;
      at += gap;
      const patches = at === length ? 1 : this.#patchRun(differs, at, length);
      this.#token(gap, patches);
      if (at === length) break;
      for (let i = at; i < at + patches; i++) this.#bytes.push((this.#fresh[newStart + i]! - expected[i]!) & 0xff);
      this.spent.patchBytes += patches;
      at += patches;
    }
  }

  #expected(newStart: number, oldStart: number, length: number): Uint8Array {
    if (this.#fitting === undefined) return this.#old.subarray(oldStart, oldStart + length);
    const { predictor } = this.#fitting;
    const expected = new Uint8Array(length);
    predictor.copy(oldStart, newStart, length);
    for (let done = 0; done < length; done += predictor.unit.size) {
      predictor.look(oldStart + done, newStart + done, length - done);
      const { unit, guess } = predictor;
      expected.set(guess.subarray(0, unit.size), done);
      if (unit.kind === 0) continue;
      const target = predictor.targetOf(this.#fresh.subarray(newStart + done, newStart + done + unit.size));
      if (target >= 0) predictor.learn(target);
    }
    return expected;
  }

  /** One byte: 6 bits of gap, 2 bits of patches less one; a long gap follows as a number. */
  #token(gap: number, patches: number): void {
    this.#bytes.push((Math.min(gap, GAP_ESCAPE) << 2) | (patches - 1));
    this.spent.commandBytes++;
    if (gap >= GAP_ESCAPE) this.#number(gap - GAP_ESCAPE);
  }

  /** Up to 4 differences without a byte that agrees between them. */
  #patchRun(differs: (i: number) => boolean, from: number, length: number): number {
    const most = Math.min(length, from + PATCHES_MAX);
    let end = from + 1;
    while (end < most && differs(end)) end++;
    return end - from;
  }

  #number(value: number): void {
    const bytes = varint(value);
    this.#bytes.push(...bytes);
    this.spent.commandBytes += bytes.length;
  }
}
