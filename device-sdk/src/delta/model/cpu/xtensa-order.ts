/** The two byte orders of Xtensa: in big-endian the fields of an instruction stand in the opposite order. */

/** Where the fields of an instruction are in the number that its three bytes make. */
export interface Order {
  readonly bigEndian: boolean;
  /** The number of a 24-bit instruction. */
  join(a: number, b: number, c: number): number;
  /** Writes the number back. */
  split(code: number, bytes: Uint8Array): void;
  /** From the first byte alone: the major opcode, and the fields n and m that share that byte with it. */
  op0(first: number): number;
  n(first: number): number;
  m(first: number): number;
  /** The operand at the far end from the opcode, so many bits of it, and the instruction with another one. */
  operand(code: number, bits: number): number;
  withOperand(code: number, bits: number, value: number): number;
  /** True for the first two bytes of ENTRY a1, or of an ADDI on a1 into a1. */
  isEntry(first: number, second: number): boolean;
}

export const LITTLE: Order = {
  bigEndian: false,
  join: (a, b, c) => a | (b << 8) | (c << 16),
  split: (code, bytes) => {
    bytes[0] = code;
    bytes[1] = code >> 8;
    bytes[2] = code >> 16;
  },
  op0: (first) => first & 15,
  n: (first) => (first >> 4) & 3,
  m: (first) => first >> 6,
  operand: (code, bits) => code >> (24 - bits),
  withOperand: (code, bits, value) => {
    const low = 24 - bits;
    return (code & ((1 << low) - 1)) | ((value & ((1 << bits) - 1)) << low);
  },
  isEntry: (first, second) => (first === 0x36 && (second & 15) === 1) || (first === 0x12 && second === 0xc1),
};

export const BIG: Order = {
  bigEndian: true,
  join: (a, b, c) => (a << 16) | (b << 8) | c,
  split: (code, bytes) => {
    bytes[0] = code >> 16;
    bytes[1] = code >> 8;
    bytes[2] = code;
  },
  op0: (first) => first >> 4,
  n: (first) => (first >> 2) & 3,
  m: (first) => first & 3,
  operand: (code, bits) => code & ((1 << bits) - 1),
  withOperand: (code, bits, value) => {
    const mask = (1 << bits) - 1;
    return (code & ~mask) | (value & mask);
  },
  isEntry: (first, second) => (first === 0x6c && second >> 4 === 1) || (first === 0x21 && second === 0x1c),
};
