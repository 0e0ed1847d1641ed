/** bzip2, read block by block from bytes that nobody vouches for. */
import { demand } from '@countersign/device-sdk';
import { BitReader } from './bits.ts';
import { readBlock } from './block.ts';
import { CRC_START, crcEnd, crcJoin, crcStep } from './crc.ts';
import { BLOCK_MAGIC, BLOCK_UNIT_BYTES, END_MAGIC, REPEAT_BYTES } from './shape.ts';

/**
 * Decompresses one stream piece by piece. Memory is one block (at most 3.6 MB) whatever the stream expands to, and time
 * follows the bytes that the caller asks for: 45 bytes may stand for 45 megabytes.
 */
export class BzipReader {
  readonly #bits: BitReader;
  readonly #links: Uint32Array;
  #streamCrc = 0;
  #blockCrc = 0;
  #crc = CRC_START;
  #left = 0;
  #link = 0;
  #previous = -1;
  #equal = 0;
  #repeats = 0;
  #inBlock = false;
  #ended = false;

  /** @throws Refusal BAD_DELTA, as everything here */
  constructor(bytes: Uint8Array) {
    this.#bits = new BitReader(bytes);
    demand(this.#bits.read(24) === 0x425a68, 'BAD_DELTA', 'compressed data is not bzip2');
    const level = this.#bits.read(8) - 0x30;
    demand(level >= 1 && level <= 9, 'BAD_DELTA', `bzip2 level ${level}`);
    this.#links = new Uint32Array(level * BLOCK_UNIT_BYTES);
  }

  /** Fills `into` from its front. @returns bytes written, fewer only where the stream ends */
  read(into: Uint8Array): number {
    for (let done = 0; done < into.length; done++) {
      if (this.#repeats === 0 && !this.#next()) return done;
      this.#repeats--;
      into[done] = this.#previous;
    }
    return into.length;
  }

  /** Nothing more comes, the checksums hold and no bytes are left behind the end. */
  finish(): void {
    demand(this.#repeats === 0 && !this.#next(), 'BAD_DELTA', 'compressed data goes on behind its last use');
    demand(this.#bits.bytesLeft === 0, 'BAD_DELTA', `${this.#bits.bytesLeft} bytes behind compressed data`);
  }

  /** Makes at least one byte ready; false at the end. */
  #next(): boolean {
    while (this.#repeats === 0) {
      if (this.#left === 0 && !this.#nextBlock()) return false;
      this.#left--;
      this.#link = this.#links[this.#link >>> 8]!;
      this.#take(this.#link & 0xff);
    }
    return true;
  }

  /** Behind four equal bytes stands a count; behind the count an equal byte begins a run of its own. */
  #take(byte: number): void {
    if (this.#equal === REPEAT_BYTES) {
      this.#equal = 0;
      this.#ready(byte);
      return;
    }
    this.#equal = byte === this.#previous ? this.#equal + 1 : 1;
    this.#previous = byte;
    this.#ready(1);
  }

  #ready(count: number): void {
    this.#repeats = count;
    for (let i = 0; i < count; i++) this.#crc = crcStep(this.#crc, this.#previous);
  }

  #nextBlock(): boolean {
    if (this.#ended) return false;
    this.#endBlock();
    const high = this.#bits.read(24);
    const low = this.#bits.read(24);
    if (high === END_MAGIC[0] && low === END_MAGIC[1]) {
      demand(this.#bits.read32() === this.#streamCrc, 'BAD_DELTA', 'the checksum of compressed data is wrong');
      this.#ended = true;
      return false;
    }
    demand(high === BLOCK_MAGIC[0] && low === BLOCK_MAGIC[1], 'BAD_DELTA', 'neither a bzip2 block nor an end');
    this.#blockCrc = this.#bits.read32();
    this.#streamCrc = crcJoin(this.#streamCrc, this.#blockCrc);
    const block = readBlock(this.#bits, this.#links);
    this.#left = block.bytes;
    this.#link = block.first;
    this.#inBlock = true;
    this.#crc = CRC_START;
    this.#previous = -1;
    this.#equal = 0;
    return true;
  }

  #endBlock(): void {
    demand(
      !this.#inBlock || crcEnd(this.#crc) === this.#blockCrc,
      'BAD_DELTA',
      'the checksum of a compressed block is wrong',
    );
  }
}
