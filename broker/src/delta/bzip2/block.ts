/** One block of bzip2: prefix codes, move-to-front and the Burrows-Wheeler transform, undone. */
import { demand } from '@countersign/device-sdk';
import type { BitReader } from './bits.ts';
import { CODE_BITS_MAX, GROUP_SYMBOLS, RUN_B, TABLES_MAX, TABLES_MIN } from './shape.ts';

/** Longer runs than a block can hold need no more digits than this; more would overflow the sum. */
const RUN_DIGITS_MAX = 20;

/**
 * Reads a block behind its checksum.
 * @param links one number per byte is written: the byte, and above it (shifted by 8) where the next one stands
 * @returns how many bytes, and the link to begin with
 * @throws Refusal BAD_DELTA
 */
export function readBlock(bits: BitReader, links: Uint32Array): { bytes: number; first: number } {
  demand(bits.read(1) === 0, 'BAD_DELTA', 'a randomised bzip2 block: no tool has written these since 1999');
  const origin = bits.read(24);
  const used = readUsedBytes(bits);
  const tables = bits.read(3);
  demand(tables >= TABLES_MIN && tables <= TABLES_MAX, 'BAD_DELTA', `${tables} prefix codes in a bzip2 block`);
  const choices = readChoices(bits, tables);
  const codes = Array.from({ length: tables }, () => new Code(readLengths(bits, used.length + 2)));
  const counts = new Uint32Array(256);
  const bytes = readBytes(bits, { used, choices, codes, links, counts });
  demand(origin < bytes, 'BAD_DELTA', `a bzip2 block of ${bytes} bytes begins at ${origin}`);
  link(links, bytes, counts);
  return { bytes, first: links[origin]! };
}

/** The byte values that occur, as two levels of bits. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const rows = bits.read(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if (!((rows >> (15 - row)) & 1)) continue;
    const columns = bits.read(16);
    for (let column = 0; column < 16; column++) if ((columns >> (15 - column)) & 1) used.push(16 * row + column);
  }
  demand(used.length > 0, 'BAD_DELTA', 'a bzip2 block without bytes');
  return Uint8Array.from(used);
}

/** Which code each group of symbols uses. */
function readChoices(bits: BitReader, tables: number): Uint8Array {
  const choices = new Uint8Array(bits.read(15));
  const recent = Uint8Array.from({ length: tables }, (_, i) => i);
  for (let i = 0; i < choices.length; i++) {
    let index = 0;
    while (bits.read(1)) demand(++index < tables, 'BAD_DELTA', 'a choice among more prefix codes than there are');
    choices[i] = toFront(recent, index);
  }
  return choices;
}

function readLengths(bits: BitReader, symbols: number): Uint8Array {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let i = 0; i < symbols; i++) {
    for (;;) {
      demand(length >= 1 && length <= CODE_BITS_MAX, 'BAD_DELTA', `a prefix code of ${length} bits`);
      if (!bits.read(1)) break;
      length += bits.read(1) ? -1 : 1;
    }
    lengths[i] = length;
  }
  return lengths;
}

/** A canonical prefix code: within a length, codes follow each other in the order of their symbols. */
class Code {
  /** By length: the first code, how many there are, and where their symbols begin. */
  readonly #first = new Int32Array(CODE_BITS_MAX + 2);
  readonly #count = new Int32Array(CODE_BITS_MAX + 2);
  readonly #start = new Int32Array(CODE_BITS_MAX + 2);
  readonly #symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    for (const length of lengths) this.#count[length]!++;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      this.#first[length + 1] = 2 * (this.#first[length]! + this.#count[length]!);
      this.#start[length + 1] = this.#start[length]! + this.#count[length]!;
    }
    const next = this.#start.slice();
    this.#symbols = new Uint16Array(lengths.length);
    for (let symbol = 0; symbol < lengths.length; symbol++) this.#symbols[next[lengths[symbol]!]!++] = symbol;
  }

  /** A code may claim more or fewer words than fit: each is bounded by its count, so no table is left. */
  read(bits: BitReader): number {
    let word = 0;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      word = 2 * word + bits.read(1);
      const index = word - this.#first[length]!;
      if (index >= 0 && index < this.#count[length]!) return this.#symbols[this.#start[length]! + index]!;
    }
    demand(false, 'BAD_DELTA', 'bits that are no prefix code');
  }
}

interface Parts {
  used: Uint8Array;
  choices: Uint8Array;
  codes: readonly Code[];
  links: Uint32Array;
  counts: Uint32Array;
}

/** The transformed bytes, into the low bits of `links`. */
function readBytes(bits: BitReader, { used, choices, codes, links, counts }: Parts): number {
  const recent = used.slice();
  const end = used.length + 1;
  let bytes = 0;
  let digits = 0;
  let run = 0;
  for (let group = 0; ; group++) {
    demand(group < choices.length, 'BAD_DELTA', 'more symbols than groups in a bzip2 block');
    const code = codes[choices[group]!]!;
    for (let i = 0; i < GROUP_SYMBOLS; i++) {
      const symbol = code.read(bits);
      if (symbol <= RUN_B) {
        demand(digits < RUN_DIGITS_MAX, 'BAD_DELTA', 'a run longer than a bzip2 block');
        run += (symbol + 1) << digits++;
        continue;
      }
      if (digits > 0) {
        demand(run <= links.length - bytes, 'BAD_DELTA', 'a bzip2 block larger than its level');
        links.fill(recent[0]!, bytes, bytes + run);
        counts[recent[0]!]! += run;
        bytes += run;
        run = 0;
        digits = 0;
      }
      if (symbol === end) return bytes;
      demand(bytes < links.length, 'BAD_DELTA', 'a bzip2 block larger than its level');
      const byte = toFront(recent, symbol - 1);
      counts[byte]!++;
      links[bytes++] = byte;
    }
  }
}

function toFront(recent: Uint8Array, index: number): number {
  const value = recent[index]!;
  recent.copyWithin(1, 0, index);
  recent[0] = value;
  return value;
}

/** The i-th occurrence of a byte in the last column of the sorted rotations is the i-th in the first. */
function link(links: Uint32Array, bytes: number, counts: Uint32Array): void {
  let sum = 0;
  const next = counts.map((count) => {
    sum += count;
    return sum - count;
  });
  for (let i = 0; i < bytes; i++) {
    const byte = links[i]! & 0xff;
    const row = next[byte]!++;
    links[row] = ((i << 8) | (links[row]! & 0xff)) >>> 0;
  }
}
