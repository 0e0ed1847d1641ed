import { BRANCH, type Bytes, CALL, type Cpu, fits, JUMP, LITERAL, PLAIN, signed, type Unit } from '../unit.ts';

const CALLN = 1;
const L32R = 2;
const J = 3;
const BRANCH12 = 4;
const BRANCH8 = 5;

/** Xtensa, little-endian (ISA reference manual, 2010): calls, jumps, branches and loads from the literal pool. */
export class Xtensa implements Cpu {
  readonly align = 1;

  reset(): void {}

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const first = old.byte(offset);
    unit.kind = PLAIN;
    unit.size = isNarrow(first & 15) ? 2 : 3;
    const toEntry = -address & 3;
    if (toEntry > 0 && toEntry < unit.size && isEntry(old, offset + toEntry)) {
      unit.size = toEntry;
      return;
    }
    if (unit.size === 2) return;
    const code = join(first, old.byte(offset + 1), old.byte(offset + 2));
    unit.form = formOf(code);
    if (unit.form === 0) return;
    unit.kind = unit.form === CALLN ? CALL : unit.form === L32R ? LITERAL : unit.form === J ? JUMP : BRANCH;
    unit.target = target(code, unit.form, address);
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const code = join(bytes[0]!, bytes[1]!, bytes[2]!);
    return formOf(code) === form ? target(code, form, address) : -1;
  }

  retarget(bytes: Uint8Array, form: number, address: number, to: number): boolean {
    const code = retargeted(join(bytes[0]!, bytes[1]!, bytes[2]!), form, address, to);
    if (code < 0) return false;
    bytes[0] = code;
    bytes[1] = code >> 8;
    bytes[2] = code >> 16;
    return true;
  }
}

/** Code and literals alternate; at the first instruction of a function the stream is in step again. */
function isEntry(old: Bytes, offset: number): boolean {
  const first = old.byte(offset);
  const second = old.byte(offset + 1);
  return (first === 0x36 && (second & 15) === 1) || (first === 0x12 && second === 0xc1);
}

function join(a: number, b: number, c: number): number {
  return a | (b << 8) | (c << 16);
}

/** Density instructions have two bytes: op0 from 8 to 13. */
function isNarrow(op0: number): boolean {
  return op0 >= 8 && op0 <= 13;
}

function formOf(code: number): number {
  const op0 = code & 15;
  if (op0 === 5) return CALLN;
  if (op0 === 1) return L32R;
  if (op0 === 7) return BRANCH8;
  if (op0 !== 6) return 0;
  const n = (code >> 4) & 3;
  if (n === 0) return J;
  if (n === 1) return BRANCH12;
  // ENTRY, n 3 and m 0, has a frame size in this place.
  return n === 3 && ((code >> 6) & 3) === 0 ? 0 : BRANCH8;
}

function target(code: number, form: number, address: number): number {
  if (form === CALLN) return ((address & ~3) + 4 + 4 * signed(code >> 6, 18)) >>> 0;
  if (form === L32R) return (((address + 3) & ~3) + 4 * ((code >> 8) - 0x10000)) >>> 0;
  if (form === J) return (address + 4 + signed(code >> 6, 18)) >>> 0;
  return (address + 4 + (form === BRANCH12 ? signed(code >> 12, 12) : signed(code >> 16, 8))) >>> 0;
}

/** @returns the instruction with another target; -1 if that is out of its reach */
function retargeted(code: number, form: number, address: number, to: number): number {
  if (form === CALLN) {
    const distance = (to - (address & ~3) - 4) | 0;
    return (distance & 3) === 0 && fits(distance >> 2, 18) ? (code & 0x3f) | (((distance >> 2) & 0x3ffff) << 6) : -1;
  }
  if (form === L32R) {
    const distance = (to - ((address + 3) & ~3)) | 0;
    if ((distance & 3) !== 0 || distance >= 0 || distance < -0x40000) return -1;
    return (code & 0xff) | (((distance >> 2) & 0xffff) << 8);
  }
  const distance = (to - address - 4) | 0;
  if (form === J) return fits(distance, 18) ? (code & 0x3f) | ((distance & 0x3ffff) << 6) : -1;
  if (form === BRANCH12) return fits(distance, 12) ? (code & 0xfff) | ((distance & 0xfff) << 12) : -1;
  return fits(distance, 8) ? (code & 0xffff) | ((distance & 0xff) << 16) : -1;
}
