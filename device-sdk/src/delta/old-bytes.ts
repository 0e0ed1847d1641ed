import { demand } from '../errors.ts';
import type { BlockOrder } from './block-order.ts';
import { OLD_BUFFER_BYTES } from './classes.ts';

/** The running image, read in small pieces. Any Flash of the ports fits. Faults are thrown as Refusal FLASH_FAULT. */
export interface OldImage {
  read(offset: number, into: Uint8Array): void;
}

/** Bytes kept behind the place a read begins at: predictors look some instructions ahead and come back. */
const KEPT_BYTES = OLD_BUFFER_BYTES / 2;
/** No shift is as large: images end far below. */
const NO_COPY = 0x7fff_ffff;

/**
 * Single old bytes through a small buffer, so that one byte does not cost a flash read of its own; and what of them may
 * be read at all. In place the blocks that are done lie over a part of the base. That part reads as zero, whatever is in
 * its cells: a run after a power cut, and the encoder, see the same as the first run.
 */
export class OldBytes {
  readonly #old: OldImage;
  readonly #buffer: Uint8Array;
  readonly #oldBytes: number;
  #start = 0;
  #end = 0;
  #from = 0;
  #to: number;
  #shift = NO_COPY;

  constructor(old: OldImage, buffer: Uint8Array, oldBytes: number) {
    this.#old = old;
    this.#buffer = buffer;
    this.#oldBytes = oldBytes;
    this.#to = oldBytes;
  }

  /** Before a block: no copy has begun, and in place only what is still there can be read from now on. */
  open(order: BlockOrder, turn: number): void {
    this.#shift = NO_COPY;
    [this.#from, this.#to] = order.remaining(turn, this.#oldBytes);
  }

  /** Old place less new place of the first copy of this block; 0 without one. */
  get shift(): number {
    return this.#shift === NO_COPY ? 0 : this.#shift;
  }

  /** Zero beyond the end of the image, and where it has been written over. */
  byte(offset: number): number {
    if (offset < this.#from || offset >= this.#to) return 0;
    if (offset < this.#start || offset >= this.#end) this.#load(Math.max(0, offset - KEPT_BYTES));
    return this.#buffer[offset - this.#start]!;
  }

  /** The source is chosen by the sender: all of it is there before one byte of it is read. @throws Refusal BAD_DELTA */
  beginCopy(offset: number, count: number, newOffset: number): void {
    demand(offset >= 0 && offset + count <= this.#oldBytes, 'BAD_DELTA', 'a copy outside the old image');
    const there = offset >= this.#from && offset + count <= this.#to;
    demand(there, 'BAD_DELTA', 'a copy of what has been written over');
    if (this.#shift === NO_COPY) this.#shift = offset - newOffset;
  }

  /** What {@link open} does not know again. */
  save(): number {
    return this.#shift;
  }

  load(shift: number): void {
    this.#shift = shift | 0;
  }

  #load(offset: number): void {
    const count = Math.min(OLD_BUFFER_BYTES, this.#oldBytes - offset);
    this.#old.read(offset, this.#buffer.subarray(0, count));
    this.#start = offset;
    this.#end = offset + count;
  }
}
