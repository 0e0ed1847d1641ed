import { demand } from '../errors.ts';

/** Takes coded bytes, hands on plain ones. `plain` returns true when the block is complete. */
export interface Coder {
  feed(byte: number, plain: (byte: number) => boolean): boolean;
  save(): number[];
  load(numbers: readonly number[]): void;
}

/** Coder 0: the bytes are the commands. */
export const stored: Coder = {
  feed: (byte, plain) => plain(byte),
  save: () => [],
  load: () => undefined,
};

/**
 * Coder 1: the bit stream of heatshrink (github.com/atomicobject/heatshrink), most significant bit first:
 * 1 and 8 bits of literal, or 0, window bits of distance - 1 and lookahead bits of length - 1.
 * The window is all zeros at the start of each block, and a block ends on a byte: its last bits are zero.
 */
export class Heatshrink implements Coder {
  readonly #window: Uint8Array;
  readonly #windowBits: number;
  readonly #lookaheadBits: number;
  #position = 0;
  #bits = 0;
  #bitCount = 0;

  constructor(window: Uint8Array, windowBits: number, lookaheadBits: number) {
    this.#window = window;
    this.#windowBits = windowBits;
    this.#lookaheadBits = lookaheadBits;
  }

  feed(byte: number, plain: (byte: number) => boolean): boolean {
    this.#bits = ((this.#bits << 8) | byte) >>> 0;
    this.#bitCount += 8;
    while (this.#bitCount > 0) {
      const literal = ((this.#bits >>> (this.#bitCount - 1)) & 1) === 1;
      const need = literal ? 9 : 1 + this.#windowBits + this.#lookaheadBits;
      if (this.#bitCount < need) return false;
      this.#bitCount -= need;
      const done = literal ? this.#literal(plain) : this.#reference(plain);
      this.#bits &= 2 ** this.#bitCount - 1;
      if (done) return this.#endBlock();
    }
    return false;
  }

  #literal(plain: (byte: number) => boolean): boolean {
    return this.#emit((this.#bits >>> this.#bitCount) & 0xff, plain);
  }

  #reference(plain: (byte: number) => boolean): boolean {
    const token = this.#bits >>> this.#bitCount;
    const length = (token & (2 ** this.#lookaheadBits - 1)) + 1;
    const distance = ((token >>> this.#lookaheadBits) & (this.#window.length - 1)) + 1;
    for (let i = 1; i <= length; i++) {
      const done = this.#emit(this.#window[(this.#position - distance) & (this.#window.length - 1)]!, plain);
      demand(!done || i === length, 'BAD_DELTA', 'a back reference crosses the end of its block');
      if (done) return true;
    }
    return false;
  }

  #emit(byte: number, plain: (byte: number) => boolean): boolean {
    this.#window[this.#position] = byte;
    this.#position = (this.#position + 1) & (this.#window.length - 1);
    return plain(byte);
  }

  #endBlock(): boolean {
    demand(this.#bitCount < 8 && this.#bits === 0, 'BAD_DELTA', 'bits left over at the end of a block');
    this.#window.fill(0);
    this.#position = 0;
    this.#bitCount = 0;
    return true;
  }

  save(): number[] {
    return [this.#position, this.#bits, this.#bitCount];
  }

  load(numbers: readonly number[]): void {
    const [position, bits, bitCount] = numbers as [number, number, number];
    const most = this.#windowBits + this.#lookaheadBits;
    demand(position < this.#window.length && bitCount <= most && bits < 2 ** bitCount, 'BAD_STATE', 'dumped coder');
    this.#position = position;
    this.#bits = bits;
    this.#bitCount = bitCount;
  }
}
