/**
 * Deterministic CBOR, the strict subset every format here is made of (RFC 8949 section 4.2.1): shortest integers and
 * lengths, definite lengths, sorted map keys, no duplicate keys, no floats, no undefined, no trailing bytes. What
 * decodes also re-encodes to the same bytes, so a digest over the bytes is a digest over the meaning.
 */
import { demand, Refusal } from '../errors.ts';
import { compare, hex } from './bytes.ts';
import { fromUtf8, utf8 } from './utf8.ts';

export class Tagged {
  readonly tag: number;
  readonly value: Value;
  constructor(tag: number, value: Value) {
    this.tag = tag;
    this.value = value;
  }
}

/** Integers are JavaScript numbers within ±(2^53 - 1); larger ones are refused. */
export type Value = number | Uint8Array | string | boolean | null | Value[] | CborMap | Tagged;
export type CborMap = Map<number | string, Value>;

/** Nesting beyond this is an attack on the stack; our deepest structure has 7 levels inside one byte string. */
export const DEPTH_MAX = 16;

/** Leniency and limits for `inspect`, which reads envelopes that others wrote. A device uses none of them. */
export interface DecodeOptions {
  /** Accept unsorted map keys. */
  unsorted?: boolean;
  /** Accept arrays as map keys, as SUIT texts have them; such a key becomes a text like `[h'00',1]`. */
  arrayKeys?: boolean;
  /** Refuse more items than this: an item of one byte costs dozens of bytes of memory once it is decoded. */
  itemsMax?: number;
}

/** Encodes deterministically. Map keys are sorted here, so the caller's order does not matter. */
export function encode(value: Value): Uint8Array {
  const out: number[] = [];
  const parts: Uint8Array[] = [];
  write(value);
  return finish();

  function finish(): Uint8Array {
    flush();
    let length = 0;
    for (const part of parts) length += part.length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  function flush(): void {
    if (out.length > 0) parts.push(Uint8Array.from(out));
    out.length = 0;
  }

  function raw(bytes: Uint8Array): void {
    if (bytes.length < 64) {
      for (const byte of bytes) out.push(byte);
      return;
    }
    flush();
    parts.push(bytes);
  }

  function head(major: number, n: number): void {
    const type = major << 5;
    if (n < 24) out.push(type | n);
    else if (n < 0x100) out.push(type | 24, n);
    else if (n < 0x10000) out.push(type | 25, n >> 8, n & 0xff);
    else if (n < 0x100000000) out.push(type | 26, n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff);
    else {
      const high = Math.floor(n / 0x100000000);
      const low = n >>> 0;
      out.push(type | 27, high >>> 24, (high >>> 16) & 0xff, (high >>> 8) & 0xff, high & 0xff);
      out.push(low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff);
    }
  }

  function write(item: Value): void {
    if (typeof item === 'number') {
      if (!Number.isSafeInteger(item)) throw new TypeError(`${item} is not an integer that CBOR can carry here`);
      if (item < 0) head(1, -1 - item);
      else head(0, item);
    } else if (item instanceof Uint8Array) {
      head(2, item.length);
      raw(item);
    } else if (typeof item === 'string') {
      const bytes = utf8(item);
      head(3, bytes.length);
      raw(bytes);
    } else if (item === null) out.push(0xf6);
    else if (typeof item === 'boolean') out.push(item ? 0xf5 : 0xf4);
    else if (Array.isArray(item)) {
      head(4, item.length);
      for (const element of item) write(element);
    } else if (item instanceof Map) {
      const entries = [...item].map(([key, element]) => ({ key: encode(key), element }));
      entries.sort((a, b) => compare(a.key, b.key));
      head(5, entries.length);
      for (const { key, element } of entries) {
        raw(key);
        write(element);
      }
    } else if (item instanceof Tagged) {
      head(6, item.tag);
      write(item.value);
    } else throw new TypeError('this value has no CBOR form here');
  }
}

/**
 * Decodes exactly one item that fills `bytes`. Byte strings are copies, so a caller's buffer may change afterwards.
 * @throws Refusal MALFORMED; TOO_LARGE for more than `itemsMax` items
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Value {
  const reader = new Reader(bytes, options);
  const value = reader.item(0);
  demand(reader.at === bytes.length, 'MALFORMED', `${bytes.length - reader.at} bytes follow the CBOR item`);
  return value;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #options: DecodeOptions;
  #itemsLeft: number;

  constructor(bytes: Uint8Array, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#options = options;
    this.#itemsLeft = options.itemsMax ?? Number.POSITIVE_INFINITY;
  }

  item(depth: number): Value {
    demand(depth < DEPTH_MAX, 'MALFORMED', `CBOR is nested deeper than ${DEPTH_MAX}`);
    demand(this.#itemsLeft-- > 0, 'TOO_LARGE', `more than ${this.#options.itemsMax} CBOR items`);
    const first = this.#byte();
    const major = first >> 5;
    if (major === 7) return this.#simple(first & 31);
    const n = this.#argument(first & 31);
    if (major === 0) return n;
    if (major === 1) {
      demand(n < Number.MAX_SAFE_INTEGER, 'MALFORMED', 'a negative integer is below -(2^53 - 1)');
      return -1 - n;
    }
    if (major === 2) return this.#take(n).slice();
    if (major === 3) return fromUtf8(this.#take(n));
    if (major === 4) return this.#array(n, depth);
    if (major === 5) return this.#map(n, depth);
    return new Tagged(n, this.item(depth + 1));
  }

  #array(count: number, depth: number): Value[] {
    // A count is a claim: each element takes at least one byte, so a false count ends before any allocation.
    demand(count <= this.#left(), 'MALFORMED', 'an array is longer than its bytes');
    const items: Value[] = [];
    for (let i = 0; i < count; i++) items.push(this.item(depth + 1));
    return items;
  }

  #map(count: number, depth: number): CborMap {
    demand(2 * count <= this.#left(), 'MALFORMED', 'a map is longer than its bytes');
    const map: CborMap = new Map();
    let previous: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const key = this.#key(depth + 1);
      const encoded = this.#bytes.subarray(start, this.at);
      if (previous && !this.#options.unsorted) {
        demand(compare(previous, encoded) < 0, 'MALFORMED', 'map keys are unsorted or double');
      }
      demand(!map.has(key), 'MALFORMED', 'a map key stands twice');
      previous = encoded;
      map.set(key, this.item(depth + 1));
    }
    return map;
  }

  #key(depth: number): number | string {
    const key = this.item(depth);
    if (this.#options.arrayKeys && Array.isArray(key)) return arrayKey(key);
    demand(typeof key === 'number' || typeof key === 'string', 'MALFORMED', 'a map key is neither integer nor text');
    return key;
  }

  #simple(info: number): Value {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    throw new Refusal('MALFORMED', 'floats, undefined and other simple values are not used');
  }

  #argument(info: number): number {
    if (info < 24) return info;
    demand(info < 28, 'MALFORMED', 'indefinite lengths and reserved heads are refused');
    const width = 1 << (info - 24);
    let n = 0;
    for (const byte of this.#take(width)) n = n * 256 + byte;
    const shortest = width === 1 ? 24 : 2 ** (4 * width);
    demand(n >= shortest, 'MALFORMED', 'an integer or length is not in its shortest form');
    demand(n <= Number.MAX_SAFE_INTEGER, 'MALFORMED', 'an integer is beyond 2^53 - 1');
    return n;
  }

  #left(): number {
    return this.#bytes.length - this.at;
  }

  #byte(): number {
    return this.#take(1)[0]!;
  }

  #take(count: number): Uint8Array {
    demand(count <= this.#left(), 'MALFORMED', 'the CBOR item is cut off');
    this.at += count;
    return this.#bytes.subarray(this.at - count, this.at);
  }
}

/** Diagnostic notation (RFC 8949 section 8) of an array of byte strings and integers. */
function arrayKey(key: Value[]): string {
  const parts = key.map((item) => {
    demand(item instanceof Uint8Array || typeof item === 'number', 'MALFORMED', 'a map key is of an unknown kind');
    return item instanceof Uint8Array ? `h'${hex(item)}'` : String(item);
  });
  return `[${parts.join(',')}]`;
}
