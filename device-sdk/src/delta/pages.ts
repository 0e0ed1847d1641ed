import type { OldImage } from './old-bytes.ts';

/**
 * Takes one page of the new image. Pages come in rising order without gaps, each 2^pageBits bytes except the last; those
 * of a backward delta rise within each block, and the blocks fall. `bytes` is a view into the workspace and is reused
 * after the call returns: write or copy it at once.
 */
export type PageSink = (offset: number, bytes: Uint8Array) => void;

/** The output side: fills one page at a time and hands it on when it is full or the image is complete. */
export class Pages {
  /** Place in the new image of the next byte. */
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
