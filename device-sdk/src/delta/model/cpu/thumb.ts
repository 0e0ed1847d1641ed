import {
  BRANCH,
  type Bytes,
  CALL,
  type Cpu,
  fits,
  get16,
  half,
  JUMP,
  LITERAL,
  PLAIN,
  put16,
  signed,
  type Unit,
} from '../unit.ts';

const BL = 1;
const B_WIDE = 2;
const B_COND_WIDE = 3;
const B = 4;
const B_COND = 5;
const CBZ = 6;
const LDR = 7;
const LDR_WIDE = 8;

/** Thumb and Thumb-2 (ARM ARM, A6 and A7): calls, branches and loads from the literal pool. */
export class Thumb implements Cpu {
  readonly align = 2;
  readonly bigEndian = false;

  reset(): void {}

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const first = half(old, offset);
    unit.kind = PLAIN;
    if (first >> 11 < 0x1d) {
      unit.size = 2;
      unit.form = narrowForm(first);
      if (unit.form === 0) return;
      unit.kind = unit.form === LDR ? LITERAL : BRANCH;
      unit.target = narrowTarget(first, unit.form, address);
      return;
    }
    unit.size = 4;
    const second = half(old, offset + 2);
    unit.form = wideForm(first, second);
    if (unit.form === 0) return;
    unit.kind = unit.form === BL ? CALL : unit.form === LDR_WIDE ? LITERAL : JUMP;
    unit.target = wideTarget(first, second, unit.form, address);
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const first = get16(bytes, 0);
    if (form >= B && form <= LDR) return narrowForm(first) === form ? narrowTarget(first, form, address) : -1;
    const second = get16(bytes, 2);
    return wideForm(first, second) === form ? wideTarget(first, second, form, address) : -1;
  }

  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
    if (form >= B && form <= LDR) return narrowRetarget(bytes, form, address, target);
    return wideRetarget(bytes, form, address, target);
  }
}

function narrowForm(code: number): number {
  if (code >> 12 === 0xd) return ((code >> 8) & 0xf) < 0xe ? B_COND : 0;
  if (code >> 11 === 0x1c) return B;
  if (code >> 11 === 0x09) return LDR;
  return (code & 0xf500) === 0xb100 ? CBZ : 0;
}

function narrowTarget(code: number, form: number, address: number): number {
  const pc = address + 4;
  if (form === LDR) return ((pc & ~3) + 4 * (code & 0xff)) >>> 0;
  if (form === B) return (pc + 2 * signed(code, 11)) >>> 0;
  if (form === B_COND) return (pc + 2 * signed(code, 8)) >>> 0;
  return (pc + (((code >> 3) & 0x1f) << 1) + (((code >> 9) & 1) << 6)) >>> 0;
}

function narrowRetarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
  const code = get16(bytes, 0);
  const pc = address + 4;
  if (form === LDR) {
    const distance = (target - (pc & ~3)) | 0;
    if ((distance & 3) !== 0 || distance < 0 || distance > 1020) return false;
    put16(bytes, 0, (code & 0xff00) | (distance >> 2));
    return true;
  }
  const distance = (target - pc) | 0;
  if ((distance & 1) !== 0) return false;
  const steps = distance >> 1;
  if (form === CBZ) {
    if (steps < 0 || steps > 63) return false;
    put16(bytes, 0, (code & ~0x02f8) | ((steps & 0x1f) << 3) | ((steps >> 5) << 9));
    return true;
  }
  const bits = form === B ? 11 : 8;
  if (!fits(steps, bits)) return false;
  const mask = (1 << bits) - 1;
  put16(bytes, 0, (code & ~mask) | (steps & mask));
  return true;
}

function wideForm(first: number, second: number): number {
  if (first >> 11 === 0x1e && (second & 0x8000) !== 0) {
    if ((second & 0xd000) === 0xd000) return BL;
    if ((second & 0xd000) === 0x9000) return B_WIDE;
    return (second & 0xd000) === 0x8000 && ((first >> 6) & 0xf) < 0xe ? B_COND_WIDE : 0;
  }
  return (first & 0xff7f) === 0xf85f ? LDR_WIDE : 0;
}

function wideTarget(first: number, second: number, form: number, address: number): number {
  const pc = address + 4;
  if (form === LDR_WIDE) {
    const distance = second & 0xfff;
    return ((pc & ~3) + ((first & 0x80) === 0 ? -distance : distance)) >>> 0;
  }
  const sign = (first >> 10) & 1;
  const j1 = (second >> 13) & 1;
  const j2 = (second >> 11) & 1;
  if (form === B_COND_WIDE) {
    const high = (sign << 19) | (j2 << 18) | (j1 << 17) | ((first & 0x3f) << 11);
    return (pc + 2 * signed(high | (second & 0x7ff), 20)) >>> 0;
  }
  const i1 = 1 ^ j1 ^ sign;
  const i2 = 1 ^ j2 ^ sign;
  const high = (sign << 23) | (i1 << 22) | (i2 << 21) | ((first & 0x3ff) << 11);
  return (pc + 2 * signed(high | (second & 0x7ff), 24)) >>> 0;
}

function wideRetarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
  const first = get16(bytes, 0);
  const second = get16(bytes, 2);
  const pc = address + 4;
  if (form === LDR_WIDE) {
    const distance = (target - (pc & ~3)) | 0;
    if (Math.abs(distance) > 4095) return false;
    put16(bytes, 0, (first & ~0x80) | (distance < 0 ? 0 : 0x80));
    put16(bytes, 2, (second & 0xf000) | Math.abs(distance));
    return true;
  }
  const distance = (target - pc) | 0;
  if ((distance & 1) !== 0) return false;
  const steps = distance >> 1;
  const sign = steps < 0 ? 1 : 0;
  if (form === B_COND_WIDE) {
    if (!fits(steps, 20)) return false;
    put16(bytes, 0, (first & ~0x43f) | (sign << 10) | ((steps >> 11) & 0x3f));
    put16(bytes, 2, (second & 0xd000) | (((steps >> 17) & 1) << 13) | (((steps >> 18) & 1) << 11) | (steps & 0x7ff));
    return true;
  }
  if (!fits(steps, 24)) return false;
  const j1 = 1 ^ ((steps >> 22) & 1) ^ sign;
  const j2 = 1 ^ ((steps >> 21) & 1) ^ sign;
  put16(bytes, 0, (first & 0xf800) | (sign << 10) | ((steps >> 11) & 0x3ff));
  put16(bytes, 2, (second & 0xd000) | (j1 << 13) | (j2 << 11) | (steps & 0x7ff));
  return true;
}
