/** What flash regions in files and on block devices have in common: one descriptor, bounds, and when it is flushed. */
import { closeSync, fdatasyncSync, readSync, writeSync } from 'node:fs';
import { Refusal } from '../src/errors.ts';
import type { Flash } from '../src/ports.ts';

export interface FlushOptions {
  /**
   * `each`: every write and erase is on the disk when it returns. `later`: the disk may reorder them until {@link
   * FdFlash.sync}. A slot may be `later` where the region of the journal names it in `first`: nothing in the journal
   * then speaks of bytes that are not on the disk. Default `each`.
   */
  flush?: 'each' | 'later';
  /** Regions that are flushed before this one is written. */
  first?: readonly { sync(): void }[];
}

/** Erasing a large slot must not take the memory of the slot. */
const PIECE_BYTES = 1024 * 1024;

/** @throws Refusal FLASH_FAULT when the disk refuses an operation */
export class FdFlash implements Flash {
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
  readonly #fd: number;
  readonly #flush: 'each' | 'later';
  readonly #first: readonly { sync(): void }[];
  #dirty = false;

  constructor(fd: number, geometry: Pick<Flash, 'bytes' | 'writeBytes' | 'eraseBytes'>, options: FlushOptions) {
    this.bytes = geometry.bytes;
    this.writeBytes = geometry.writeBytes;
    this.eraseBytes = geometry.eraseBytes;
    this.#fd = fd;
    this.#flush = options.flush ?? 'each';
    this.#first = options.first ?? [];
  }

  read(offset: number, into: Uint8Array): void {
    this.#check(offset, into.length, 1);
    const count = attempt(() => readSync(this.#fd, into, 0, into.length, offset));
    if (count !== into.length) throw new Refusal('FLASH_FAULT', `${count} of ${into.length} bytes could be read`);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length, this.writeBytes);
    this.#put(() => writeAll(this.#fd, bytes, offset));
  }

  erase(offset: number, length: number): void {
    this.#check(offset, length, this.eraseBytes);
    this.#put(() => fillErased(this.#fd, offset, length));
  }

  /** Everything written so far is on the disk when it returns. */
  sync(): void {
    if (!this.#dirty) return;
    attempt(() => fdatasyncSync(this.#fd));
    this.#dirty = false;
  }

  close(): void {
    this.sync();
    closeSync(this.#fd);
  }

  #put(work: () => void): void {
    for (const region of this.#first) region.sync();
    this.#dirty = true;
    attempt(work);
    if (this.#flush === 'each') this.sync();
  }

  #check(offset: number, length: number, unit: number): void {
    const inside = offset >= 0 && offset + length <= this.bytes;
    if (!inside || offset % unit !== 0 || length % unit !== 0) throw new RangeError(`${length} bytes at ${offset}`);
  }
}

export function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}

/** A disk has no erased state: 0xff stands for it. */
export function fillErased(fd: number, offset: number, length: number): void {
  const piece = new Uint8Array(Math.min(length, PIECE_BYTES)).fill(0xff);
  for (let done = 0; done < length; done += piece.length) writeAll(fd, piece.subarray(0, length - done), offset + done);
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Refusal('FLASH_FAULT', 'the disk refused an operation', { cause });
  }
}
