/** Longest unit any predictor makes: an AUIPC with the instruction that completes it. */
export const UNIT_BYTES_MAX = 8;

/** Kinds of units with a target; 0 is a unit without one. The coder uses the kind as a context, nothing else. */
export const PLAIN = 0;
export const POINTER = 1;
export const CALL = 2;
export const JUMP = 3;
export const BRANCH = 4;
export const LITERAL = 5;
export const HIGH = 6;
export const LOW = 7;
export const KINDS = 8;

/** Bytes of the old image by offset; beyond its end zeros. */
export interface Bytes {
  byte(offset: number): number;
}

/**
 * What a CPU's decoder says about the old bytes at one place: how many belong together, and what they point at.
 * One object is reused for all units of a container.
 */
export interface Unit {
  size: number;
  kind: number;
  /** The CPU's own number for the form of the operand. */
  form: number;
  /** Address the old bytes point at, 32 bits unsigned. */
  target: number;
}

/** Decodes and encodes the operands of one instruction set. All addresses are 32 bits, unsigned. */
export interface Cpu {
  /** Instructions begin at multiples of this. */
  readonly align: number;
  /** True if pointers have their highest byte first. */
  readonly bigEndian: boolean;
  /** Forgets what was seen: called at the start of every copy. */
  reset(): void;
  /** Fills `unit` for the old bytes at `offset`, which lie at `address`. `size` is at least 1. */
  look(old: Bytes, offset: number, address: number, unit: Unit): void;
  /** Writes `target` into an instruction of this form that lies at `address`. @returns false if it does not fit */
  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean;
  /** The target of an instruction of this form at `address`; -1 if the bytes have another form or do not tell. */
  targetOf(bytes: Uint8Array, form: number, address: number): number;
}

/** 16 bits, little-endian. */
export function half(old: Bytes, offset: number): number {
  return old.byte(offset) | (old.byte(offset + 1) << 8);
}

/** 32 bits, little-endian, unsigned. */
export function word(old: Bytes, offset: number): number {
  return (half(old, offset) | (half(old, offset + 2) << 16)) >>> 0;
}

export function get16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
}

export function get32(bytes: Uint8Array, at: number): number {
  return (get16(bytes, at) | (get16(bytes, at + 2) << 16)) >>> 0;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value);
  put16(bytes, at + 2, value >>> 16);
}

/** The four bytes of a number, in the other order. */
export function swapped(value: number): number {
  const pairs = ((value >>> 8) & 0x00ff00ff) | ((value & 0x00ff00ff) << 8);
  return ((pairs >>> 16) | (pairs << 16)) >>> 0;
}

/** The low `bits` of a number, as a signed one. */
export function signed(value: number, bits: number): number {
  return (value << (32 - bits)) >> (32 - bits);
}

/** True if a signed number has room in so many bits. */
export function fits(value: number, bits: number): boolean {
  return signed(value, bits) === value;
}
