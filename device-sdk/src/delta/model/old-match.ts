import type { Recent } from './recent.ts';
import type { Bytes } from './unit.ts';

/** Places of the old image that are known by the four bytes before them. */
export const PLACES = 32_768;
export const PLACES_BYTES = 4 * PLACES;
const KEY_BYTES = 4;
/** Longer matches are not trusted more. */
const LENGTH_MAX = 63;

/** Where in the old image the inserted bytes may come from, one byte at a time: no command is spent on it. */
export class OldMatch {
  readonly #bytes: Bytes;
  readonly #oldBytes: number;
  /** By hash: a place, 0 for none. */
  readonly #places: Uint32Array;
  #place = 0;
  /** Bytes that agreed up to here. */
  length = 0;

  constructor(bytes: Bytes, oldBytes: number, places: Uint32Array) {
    this.#bytes = bytes;
    this.#oldBytes = oldBytes;
    this.#places = places;
  }

  /** Reads the whole old image once. Of a large one every few places are kept, so that all of it is covered. */
  index(): void {
    this.#places.fill(0);
    const stride = Math.ceil(this.#oldBytes / PLACES);
    let key = 0;
    for (let at = 0; at < this.#oldBytes; at++) {
      if (at >= KEY_BYTES && at % stride === 0) this.#places[slot(key)] = at;
      key = ((key << 8) | this.#bytes.byte(at)) >>> 0;
    }
  }

  /** As at the start of a block. A fill may be its first command, and its literal looks here before any insert has begun. */
  reset(): void {
    this.#place = 0;
    this.length = 0;
  }

  /** The byte that would follow, or -1. */
  expected(): number {
    return this.#place < this.#oldBytes ? this.#bytes.byte(this.#place) : -1;
  }

  /** At the first inserted byte: what follows the last four bytes elsewhere, or stands where the copy ended. */
  begin(recent: Recent, oldOffset: number): void {
    this.length = 0;
    this.#place = oldOffset;
    this.#find(recent);
  }

  /** After every inserted byte, which `recent` has already. */
  take(byte: number, recent: Recent, oldOffset: number): void {
    if (this.expected() === byte) {
      this.#place++;
      this.length = Math.min(this.length + 1, LENGTH_MAX);
      return;
    }
    this.begin(recent, oldOffset);
  }

  #find({ a, b, c, d }: Recent): void {
    const place = this.#places[slot(((d << 24) | (c << 16) | (b << 8) | a) >>> 0)]!;
    if (place < KEY_BYTES || place >= this.#oldBytes) return;
    const bytes = this.#bytes;
    const same = bytes.byte(place - 1) === a && bytes.byte(place - 2) === b && bytes.byte(place - 3) === c;
    if (!same || bytes.byte(place - 4) !== d) return;
    this.#place = place;
    this.length = KEY_BYTES;
  }

  save(): number[] {
    return [this.#place, this.length];
  }

  load(numbers: readonly number[]): void {
    this.#place = Math.min(numbers[0]!, this.#oldBytes);
    this.length = Math.min(numbers[1]!, LENGTH_MAX);
  }
}

function slot(key: number): number {
  return Math.imul(key, 0x9e3779b1) >>> 17;
}
