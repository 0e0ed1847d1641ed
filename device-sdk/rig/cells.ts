import { FlashMisuse } from './faults.ts';

/** The shape of a flash part, in bytes. `writeBytes` divides `eraseBytes`, which divides `bytes`. */
export interface Geometry {
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
}

/** Larger erase blocks are kept as several pages, so that equal parts of different images are still shared. */
const PAGE_BYTES_MAX = 4096;

/**
 * How one page of cells lies in memory: its bytes, then one bit per write unit that says "no longer erased". The bit
 * is what makes this flash strict: a unit programmed with 0xff, or torn and still reading 0xff, is not erased.
 * An erased page has no memory at all; it is null.
 */
export class CellFormat {
  readonly pageBytes: number;
  readonly #writeBytes: number;
  readonly #memoryBytes: number;

  constructor({ bytes, writeBytes, eraseBytes }: Geometry) {
    const whole = [bytes, writeBytes, eraseBytes].every((value) => Number.isSafeInteger(value) && value > 0);
    if (!whole || bytes % eraseBytes !== 0 || eraseBytes % writeBytes !== 0) {
      throw new FlashMisuse(`geometry ${bytes}/${eraseBytes}/${writeBytes}: each must divide the one before`);
    }
    const splits = eraseBytes % PAGE_BYTES_MAX === 0 && PAGE_BYTES_MAX % writeBytes === 0;
    this.pageBytes = splits ? PAGE_BYTES_MAX : eraseBytes;
    this.#writeBytes = writeBytes;
    const bits = this.pageBytes / writeBytes;
    this.#memoryBytes = Math.ceil((this.pageBytes + Math.ceil(bits / 8)) / 4) * 4;
  }

  blank(): Uint8Array {
    return new Uint8Array(this.#memoryBytes).fill(0xff, 0, this.pageBytes);
  }

  /** Puts bytes into a page and marks every unit they touch, in part or whole. */
  program(page: Uint8Array, at: number, bytes: Uint8Array): void {
    page.set(bytes, at);
    const end = Math.ceil((at + bytes.length) / this.#writeBytes);
    setBits(page.subarray(this.pageBytes), Math.floor(at / this.#writeBytes), end);
  }

  isErased(page: Uint8Array, at: number, length: number): boolean {
    const bits = page.subarray(this.pageBytes);
    return !anyBit(bits, at / this.#writeBytes, (at + length) / this.#writeBytes);
  }

  /** True when no unit is left to write: nothing but an erase can change this page now. */
  isFull(page: Uint8Array): boolean {
    const units = this.pageBytes / this.#writeBytes;
    for (let i = 0; i < units >>> 3; i++) if (page[this.pageBytes + i] !== 0xff) return false;
    const rest = (1 << (units & 7)) - 1;
    return ((page[this.pageBytes + (units >>> 3)] ?? 0) & rest) === rest;
  }
}

/** Whole bytes of the bitmap at a time: a 4 KB page of single-byte units has 4,096 bits. */
function setBits(bits: Uint8Array, from: number, to: number): void {
  for (let i = from; i < to; ) {
    if ((i & 7) === 0 && to - i >= 8) {
      bits[i >>> 3] = 0xff;
      i += 8;
    } else {
      bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
      i += 1;
    }
  }
}

function anyBit(bits: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; ) {
    const byte = bits[i >>> 3] as number;
    if ((i & 7) === 0 && to - i >= 8) {
      if (byte !== 0) return true;
      i += 8;
    } else {
      if ((byte & (1 << (i & 7))) !== 0) return true;
      i += 1;
    }
  }
  return false;
}
