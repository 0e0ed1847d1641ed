import { OLD_BUFFER_BYTES } from './classes.ts';

/** The running image, read in small pieces. Any Flash of the ports fits. Faults are thrown as Refusal FLASH_FAULT. */
export interface OldImage {
  read(offset: number, into: Uint8Array): void;
}

/**
 * Takes one page of the new image. Pages come in rising order without gaps, each 2^pageBits bytes except the last.
 * `bytes` is a view into the workspace and is reused after the call returns: write or copy it at once.
 */
export type PageSink = (offset: number, bytes: Uint8Array) => void;

/** The output side: fills one page at a time and hands it on when it is full or the image is complete. */
export class Pages {
  /** Output bytes produced so far. */
  offset = 0;
  readonly #page: Uint8Array;
  readonly #newBytes: number;
  readonly #sink: PageSink;

  constructor(page: Uint8Array, newBytes: number, sink: PageSink) {
    this.#page = page;
    this.#newBytes = newBytes;
    this.#sink = sink;
  }

  put(byte: number): void {
    // The page's length is a power of two.
    const inPage = this.offset & (this.#page.length - 1);
    this.#page[inPage] = byte;
    this.offset++;
    if (inPage + 1 === this.#page.length || this.offset === this.#newBytes) this.#hand();
  }

  /** The first `count` bytes of `bytes`; a few at a time. */
  write(bytes: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.put(bytes[i]!);
  }

  fill(byte: number, count: number): void {
    this.#spread(count, (part) => part.fill(byte));
  }

  copy(old: OldImage, from: number, count: number): void {
    let at = from;
    this.#spread(count, (part) => {
      old.read(at, part);
      at += part.length;
    });
  }

  #spread(count: number, write: (part: Uint8Array) => void): void {
    for (let left = count; left > 0; ) {
      const start = this.offset % this.#page.length;
      const part = this.#page.subarray(start, Math.min(start + left, this.#page.length));
      write(part);
      left -= part.length;
      this.#advance(part.length);
    }
  }

  #advance(count: number): void {
    this.offset += count;
    if ((this.offset & (this.#page.length - 1)) === 0 || this.offset === this.#newBytes) this.#hand();
  }

  #hand(): void {
    const inPage = this.offset & (this.#page.length - 1);
    if (inPage === 0) this.#sink(this.offset - this.#page.length, this.#page);
    else this.#sink(this.offset - inPage, this.#page.subarray(0, inPage));
  }
}

/** Bytes kept behind the place a read begins at: predictors look some instructions ahead and come back. */
const KEPT_BYTES = OLD_BUFFER_BYTES / 2;

/** Single old bytes through a small buffer, so that one byte does not cost a flash read of its own. */
export class OldBytes {
  readonly #old: OldImage;
  readonly #buffer: Uint8Array;
  readonly #oldBytes: number;
  #start = 0;
  #end = 0;

  constructor(old: OldImage, buffer: Uint8Array, oldBytes: number) {
    this.#old = old;
    this.#buffer = buffer;
    this.#oldBytes = oldBytes;
  }

  /** Zero beyond the end of the image. */
  byte(offset: number): number {
    if (offset >= this.#start && offset < this.#end) return this.#buffer[offset - this.#start]!;
    if (offset >= this.#oldBytes) return 0;
    this.#load(Math.max(0, offset - KEPT_BYTES));
    return this.#buffer[offset - this.#start]!;
  }

  #load(offset: number): void {
    const count = Math.min(OLD_BUFFER_BYTES, this.#oldBytes - offset);
    this.#old.read(offset, this.#buffer.subarray(0, count));
    this.#start = offset;
    this.#end = offset + count;
  }
}
