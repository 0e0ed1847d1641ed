import { Refusal } from '../errors.ts';
import type { Flash } from '../ports.ts';

/** One program operation at most: the page of common serial NOR parts. It also bounds the buffers of this room. */
const CHUNK_BYTES = 256;

/** The size in which this room reads and writes: whole write units, {@link CHUNK_BYTES} or one unit if that is larger. */
export function chunkBytes(flash: Flash): number {
  return Math.max(1, Math.floor(CHUNK_BYTES / flash.writeBytes)) * flash.writeBytes;
}

export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Bytes in any pieces, to flash in whole write units, in order. */
export class UnitWriter {
  readonly #flash: Flash;
  readonly #buffer: Uint8Array;
  #at: number;
  #filled = 0;

  /** @param at a multiple of the flash's write unit; the cells from there on are erased. */
  constructor(flash: Flash, at: number) {
    this.#flash = flash;
    this.#at = at;
    this.#buffer = new Uint8Array(chunkBytes(flash));
  }

  /** Offset up to which everything is in the flash. What was pushed beyond it waits for its unit to be full. */
  get written(): number {
    return this.#at;
  }

  push(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
      if (this.#filled === this.#buffer.length) this.#flush(this.#filled);
    }
  }

  /** Pads the last unit with 0xff. @returns the offset of the first cell not written. */
  end(): number {
    const padded = alignUp(this.#filled, this.#flash.writeBytes);
    this.#buffer.fill(0xff, this.#filled, padded);
    if (padded > 0) this.#flush(padded);
    return this.#at;
  }

  #flush(length: number): void {
    this.#flash.write(this.#at, this.#buffer.subarray(0, length));
    this.#at += length;
    this.#filled = 0;
  }
}

/** Calls back with the bytes of a range, a chunk at a time. The chunk is reused: keep a copy, not the array. */
export function readChunks(flash: Flash, at: number, length: number, call: (chunk: Uint8Array) => void): void {
  const buffer = new Uint8Array(Math.min(length, chunkBytes(flash)));
  for (let done = 0; done < length; done += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, length - done));
    flash.read(at + done, chunk);
    call(chunk);
  }
}

export function readAt(flash: Flash, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  flash.read(at, bytes);
  return bytes;
}

/** Whether every cell of a range reads erased. After a power cut that does not mean it is: erase before writing. */
export function readsErased(flash: Flash, at: number, length: number): boolean {
  let erased = true;
  readChunks(flash, at, length, (chunk) => {
    // A loop: whole slots are looked at, and a call for each byte was a tenth of an update.
    for (let i = 0; erased && i < chunk.length; i++) erased = chunk[i] === 0xff;
  });
  return erased;
}

/** What was written must read back: flash wears out without telling. @throws Refusal FLASH_FAULT */
export function demandReadBack(good: boolean, what: string): asserts good {
  if (!good) throw new Refusal('FLASH_FAULT', `${what} does not read back as written`);
}
