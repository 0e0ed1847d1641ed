import {
  BRANCH,
  type Bytes,
  CALL,
  type Cpu,
  fits,
  get16,
  half,
  JUMP,
  LOW,
  PLAIN,
  put16,
  signed,
  type Unit,
} from '../unit.ts';

const LONG = 1; // CALL, JMP
const NEAR = 2; // RCALL, RJMP: 12 bits
const SHORT = 3; // BRxx: 7 bits
const DATA = 4; // LDS, STS

/** Where GNU tools put the data space, so that it does not overlap the program. */
const DATA_SPACE = 0x800000;

/** AVR (instruction set manual): calls, jumps, branches, and loads and stores with an address. */
export class Avr implements Cpu {
  readonly align = 2;
  readonly bigEndian = false;

  reset(): void {}

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const first = half(old, offset);
    unit.form = formOf(first);
    unit.size = unit.form === LONG || unit.form === DATA ? 4 : 2;
    unit.kind = KIND_OF[unit.form]!;
    unit.target = targetIn(first, unit.size === 4 ? half(old, offset + 2) : 0, unit.form, address);
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const first = get16(bytes, 0);
    if (formOf(first) !== form) return -1;
    return targetIn(first, form === LONG || form === DATA ? get16(bytes, 2) : 0, form, address);
  }

  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
    const first = get16(bytes, 0);
    if (form === DATA) {
      if (target >>> 16 !== DATA_SPACE >>> 16) return false;
      put16(bytes, 2, target);
      return true;
    }
    if (form === LONG) {
      const place = target >>> 1;
      if ((target & 1) !== 0 || place >= 1 << 22) return false;
      put16(bytes, 0, (first & 0xfe0e) | ((place >>> 17) << 4) | ((place >>> 16) & 1));
      put16(bytes, 2, place);
      return true;
    }
    const distance = (target - address - 2) | 0;
    const steps = distance >> 1;
    if ((distance & 1) !== 0 || !fits(steps, form === NEAR ? 12 : 7)) return false;
    put16(bytes, 0, form === NEAR ? (first & 0xf000) | (steps & 0xfff) : (first & ~0x3f8) | ((steps & 0x7f) << 3));
    return true;
  }
}

const KIND_OF = [PLAIN, CALL, JUMP, BRANCH, LOW];

function formOf(code: number): number {
  if ((code & 0xfe0c) === 0x940c) return LONG;
  if ((code & 0xe000) === 0xc000) return NEAR;
  if ((code & 0xf800) === 0xf000) return SHORT;
  return (code & 0xfc0f) === 0x9000 ? DATA : 0;
}

function targetIn(first: number, second: number, form: number, address: number): number {
  if (form === DATA) return DATA_SPACE + second;
  if (form === LONG) return 2 * ((((first >> 4) & 0x1f) << 17) | ((first & 1) << 16) | second);
  if (form === NEAR) return (address + 2 + 2 * signed(first, 12)) >>> 0;
  return (address + 2 + 2 * signed(first >> 3, 7)) >>> 0;
}
