import { type BitCoder, RANGE_MIN } from '@countersign/device-sdk/delta/model';

/** The other side of the SDK's range decoder. One block at a time. */
export class RangeEncoder implements BitCoder {
  #bytes = new Uint8Array(4096);
  #length = 0;
  #certain = 0;
  /** Lower end of the interval: 32 bits and a carry. */
  #low = 0;
  #range = 0xffffffff;
  /** The last byte and the bytes 255 behind it, which a carry may still change; nothing at the very start. */
  #held = -1;
  #heldFull = 0;

  code(chance: number, bit: number): number {
    const bound = (this.#range >>> 16) * chance;
    if (bit === 1) this.#range = bound;
    else {
      this.#low += bound;
      this.#range -= bound;
    }
    while (this.#range < RANGE_MIN) {
      this.#range = (this.#range << 8) >>> 0;
      this.#shift();
    }
    return bit;
  }

  /** A lower end of the length of the block: bytes that are certain, up to the last that is not zero. */
  get written(): number {
    return this.#certain;
  }

  /** The bytes of the block so far; what the decoder replaces by zeros is left out. Begins the next block. */
  finish(): Uint8Array {
    this.#low = roundest(this.#low, this.#range);
    for (let i = 0; i < 5; i++) this.#shift();
    let end = this.#length;
    while (end > 0 && this.#bytes[end - 1] === 0) end--;
    const block = this.#bytes.slice(0, end);
    this.#length = 0;
    this.#certain = 0;
    this.#low = 0;
    this.#range = 0xffffffff;
    this.#held = -1;
    this.#heldFull = 0;
    return block;
  }

  #shift(): void {
    if (this.#low < 0xff000000 || this.#low > 0xffffffff) {
      const carry = this.#low > 0xffffffff ? 1 : 0;
      if (this.#held >= 0) this.#put(this.#held + carry);
      for (; this.#heldFull > 0; this.#heldFull--) this.#put(0xff + carry);
      this.#held = Math.floor(this.#low / 0x1000000) & 0xff;
    } else this.#heldFull++;
    this.#low = (this.#low % 0x1000000) * 256;
  }

  #put(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
    if (byte !== 0) this.#certain = this.#length;
  }
}

/** The number from `low` to `low + range - 1` that ends with the most zero bits. */
function roundest(low: number, range: number): number {
  for (let unit = 2 ** 32; unit > 1; unit /= 2) {
    const up = Math.ceil(low / unit) * unit;
    if (up < low + range) return up;
  }
  return low;
}
