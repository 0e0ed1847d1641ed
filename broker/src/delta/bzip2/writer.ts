/** bzip2, written: what bspatch, bunzip2 and every other reader of the format take. */
import { BitWriter } from './bits.ts';
import { CRC_START, crcEnd, crcJoin, crcStep } from './crc.ts';
import { type Codes, chooseCodes } from './prefix-codes.ts';
import { BLOCK_MAGIC, BLOCK_UNIT_BYTES, END_MAGIC, GROUP_SYMBOLS, REPEAT_BYTES, RUN_A, RUN_B } from './shape.ts';
import { transform } from './transform.ts';

const LEVEL = 9;
/** A run adds up to five bytes at once. */
const BLOCK_BYTES = LEVEL * BLOCK_UNIT_BYTES - 19;
/** Four bytes and a count of up to 251 more: what the reference writes; its reader takes 255. */
const RUN_BYTES_MAX = REPEAT_BYTES + 251;

/** Compresses all of `bytes` into one stream. */
export function bzip(bytes: Uint8Array): Uint8Array {
  const bits = new BitWriter();
  bits.write(0x425a68, 24);
  bits.write(0x30 + LEVEL, 8);
  let streamCrc = 0;
  for (let at = 0; at < bytes.length; ) {
    const packed = packRuns(bytes, at);
    streamCrc = crcJoin(streamCrc, packed.crc);
    writeBlock(bits, packed.block, packed.crc);
    at = packed.end;
  }
  for (const half of END_MAGIC) bits.write(half, 24);
  bits.write32(streamCrc);
  return bits.finish();
}

/** Runs of four and more become four bytes and a count. */
function packRuns(bytes: Uint8Array, from: number): { block: Uint8Array; crc: number; end: number } {
  const block = new Uint8Array(Math.min(BLOCK_BYTES + REPEAT_BYTES + 1, 2 * (bytes.length - from) + 1));
  let length = 0;
  let crc = CRC_START;
  let at = from;
  while (at < bytes.length && length < BLOCK_BYTES) {
    const byte = bytes[at]!;
    let run = 1;
    while (run < RUN_BYTES_MAX && bytes[at + run] === byte) run++;
    for (let i = 0; i < run; i++) crc = crcStep(crc, byte);
    for (let i = 0; i < Math.min(run, REPEAT_BYTES); i++) block[length++] = byte;
    if (run >= REPEAT_BYTES) block[length++] = run - REPEAT_BYTES;
    at += run;
  }
  return { block: block.subarray(0, length), crc: crcEnd(crc), end: at };
}

function writeBlock(bits: BitWriter, block: Uint8Array, crc: number): void {
  const { column, origin } = transform(block);
  const { symbols, used } = symbolsOf(column);
  const codes = chooseCodes(symbols, used.length + 2);
  for (const half of BLOCK_MAGIC) bits.write(half, 24);
  bits.write32(crc);
  bits.write(0, 1);
  bits.write(origin, 24);
  writeUsedBytes(bits, used);
  writeCodes(bits, codes);
  writeSymbols(bits, symbols, codes);
}

/** Move-to-front, with runs of its zeros as numbers in bijective base 2. */
function symbolsOf(column: Uint8Array): { symbols: Uint16Array; used: number[] } {
  const occurs = new Uint8Array(256);
  for (const byte of column) occurs[byte] = 1;
  const used = [...occurs.keys()].filter((byte) => occurs[byte]);
  const recent = Uint8Array.from(used);
  const symbols = new Uint16Array(column.length + 2);
  let length = 0;
  let run = 0;
  const writeRun = () => {
    for (; run > 0; run = (run - 1) >> 1) symbols[length++] = run & 1 ? RUN_A : RUN_B;
  };
  for (const byte of column) {
    const index = recent.indexOf(byte);
    if (index === 0) {
      run++;
      continue;
    }
    writeRun();
    recent.copyWithin(1, 0, index);
    recent[0] = byte;
    symbols[length++] = index + 1;
  }
  writeRun();
  symbols[length++] = used.length + 1;
  return { symbols: symbols.subarray(0, length), used };
}

function writeUsedBytes(bits: BitWriter, used: readonly number[]): void {
  const rows = Array.from({ length: 16 }, (_, row) =>
    used.filter((byte) => byte >> 4 === row).reduce((mask, byte) => mask | (1 << (15 - (byte & 15))), 0),
  );
  bits.write(
    rows.reduce((mask, columns, row) => (columns ? mask | (1 << (15 - row)) : mask), 0),
    16,
  );
  for (const columns of rows) if (columns) bits.write(columns, 16);
}

function writeCodes(bits: BitWriter, { lengths, choices }: Codes): void {
  bits.write(lengths.length, 3);
  bits.write(choices.length, 15);
  const recent = Array.from(lengths.keys());
  for (const choice of choices) {
    const index = recent.indexOf(choice);
    for (let i = 0; i < index; i++) bits.write(1, 1);
    bits.write(0, 1);
    recent.splice(index, 1);
    recent.unshift(choice);
  }
  for (const table of lengths) {
    let length = table[0]!;
    bits.write(length, 5);
    for (const wanted of table) {
      for (; length < wanted; length++) bits.write(0b10, 2);
      for (; length > wanted; length--) bits.write(0b11, 2);
      bits.write(0, 1);
    }
  }
}

function writeSymbols(bits: BitWriter, symbols: Uint16Array, { lengths, choices }: Codes): void {
  const words = lengths.map(codeWords);
  for (let i = 0; i < symbols.length; i++) {
    const table = choices[Math.floor(i / GROUP_SYMBOLS)]!;
    const symbol = symbols[i]!;
    bits.write(words[table]![symbol]!, lengths[table]![symbol]!);
  }
}

/** Canonical: shorter words first, then by symbol. */
function codeWords(lengths: Uint8Array): Uint32Array {
  const words = new Uint32Array(lengths.length);
  let word = 0;
  for (let length = 1; length <= Math.max(...lengths); length++) {
    for (let symbol = 0; symbol < lengths.length; symbol++) if (lengths[symbol] === length) words[symbol] = word++;
    word *= 2;
  }
  return words;
}
