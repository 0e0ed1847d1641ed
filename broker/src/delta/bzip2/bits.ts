/** Bits of bytes, most significant first. */
import { demand } from '@countersign/device-sdk';

export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * @param count 1 to 24
   * @throws Refusal BAD_DELTA behind the last byte: zeros made up there could go on for ever
   */
  read(count: number): number {
    while (this.#count < count) {
      demand(this.#at < this.#bytes.length, 'BAD_DELTA', 'compressed data ends too early');
      this.#held = ((this.#held << 8) | this.#bytes[this.#at++]!) >>> 0;
      this.#count += 8;
    }
    this.#count -= count;
    const value = this.#held >>> this.#count;
    this.#held &= (1 << this.#count) - 1;
    return value;
  }

  read32(): number {
    const high = this.read(16);
    return high * 0x1_0000 + this.read(16);
  }

  /** Whole bytes that no bit has been taken from. */
  get bytesLeft(): number {
    return this.#bytes.length - this.#at + Math.floor(this.#count / 8);
  }
}

export class BitWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;
  #held = 0;
  #count = 0;

  /** @param count 1 to 24 */
  write(value: number, count: number): void {
    this.#held = (this.#held << count) | value;
    this.#count += count;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#push((this.#held >>> this.#count) & 0xff);
    }
    this.#held &= (1 << this.#count) - 1;
  }

  write32(value: number): void {
    this.write(value >>> 16, 16);
    this.write(value & 0xffff, 16);
  }

  /** The last byte is filled with zeros. */
  finish(): Uint8Array {
    if (this.#count > 0) this.write(0, 8 - this.#count);
    return this.#bytes.slice(0, this.#length);
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
  }
}
