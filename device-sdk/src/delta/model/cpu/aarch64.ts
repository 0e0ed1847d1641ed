import {
  BRANCH,
  type Bytes,
  CALL,
  type Cpu,
  fits,
  get32,
  HIGH,
  JUMP,
  LITERAL,
  LOW,
  PLAIN,
  put32,
  signed,
  type Unit,
  word,
} from '../unit.ts';

const BL = 1;
const B = 2;
const NEAR = 3; // B.cond, CBZ, CBNZ: 19 bits
const TBZ = 4; // 14 bits
const LDR = 5; // literal: 19 bits
const ADR = 6;
const ADRP = 7;
const LOW12 = 8;

/** Instructions behind an ADRP that are searched for the one that completes the address. */
const PAIR_SEARCH_MAX = 8;

/** AArch64 (ARM ARM, C6), the low 32 bits of its addresses: branches, literals, ADRP with what uses its register. */
export class AArch64 implements Cpu {
  readonly align = 4;
  readonly bigEndian = false;
  /** Page that an ADRP has put into each register, with bit 0 set; 0 for none. */
  readonly #pages: Uint32Array;

  /** @param registers one word each */
  constructor(registers: Uint32Array) {
    this.#pages = registers;
  }

  reset(): void {
    this.#pages.fill(0);
  }

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const code = word(old, offset);
    unit.size = 4;
    unit.kind = PLAIN;
    unit.form = formOf(code);
    if (unit.form === LOW12) this.#low(code, unit);
    if (unit.form === LOW12 || unit.form === 0) return;
    unit.kind = KIND_OF[unit.form]!;
    unit.target = targetIn(code, unit.form, address);
    if (unit.form !== ADRP) return;
    this.#pages[code & 31] = unit.target | 1;
    unit.target = (unit.target + lowBehind(old, offset, code & 31)) >>> 0;
  }

  #low(code: number, unit: Unit): void {
    const page = this.#pages[(code >>> 5) & 31]!;
    if (page === 0) return;
    unit.kind = LOW;
    unit.target = ((page & ~1) + lowImmediate(code)) >>> 0;
    if (isAdd(code)) this.#pages[code & 31] = 0;
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const code = get32(bytes, 0);
    return form < ADRP && formOf(code) === form ? targetIn(code, form, address) : -1;
  }

  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
    const code = get32(bytes, 0);
    if (form === LOW12) {
      const scale = scaleOf(code);
      if ((target & (2 ** scale - 1)) !== 0) return false;
      put32(bytes, 0, (code & ~0x3ffc00) | (((target & 0xfff) >> scale) << 10));
      return true;
    }
    const distance = form === ADRP ? (target >>> 12) - (address >>> 12) : (target - address) | 0;
    if (form === ADR || form === ADRP) {
      if (!fits(distance, 21)) return false;
      put32(bytes, 0, (code & 0x9f00001f) | ((distance & 3) << 29) | (((distance >> 2) & 0x7ffff) << 5));
      return true;
    }
    const bits = form === TBZ ? 14 : form === NEAR || form === LDR ? 19 : 26;
    if ((distance & 3) !== 0 || !fits(distance >> 2, bits)) return false;
    const mask = 2 ** bits - 1;
    const at = bits === 26 ? 0 : 5;
    put32(bytes, 0, (code & ~(mask << at)) | (((distance >> 2) & mask) << at));
    return true;
  }
}

const KIND_OF = [PLAIN, CALL, JUMP, BRANCH, BRANCH, LITERAL, LITERAL, HIGH, LOW];

function formOf(code: number): number {
  if (code >>> 26 === 0x25) return BL;
  if (code >>> 26 === 0x05) return B;
  if (code >>> 24 === 0x54 || ((code >>> 25) & 0x3f) === 0x1a) return NEAR;
  if (((code >>> 25) & 0x3f) === 0x1b) return TBZ;
  if (((code >>> 24) & 0x3b) === 0x18) return LDR;
  if (((code >>> 24) & 0x1f) === 0x10) return code >>> 31 === 1 ? ADRP : ADR;
  return isAdd(code) || ((code >>> 24) & 0x3b) === 0x39 ? LOW12 : 0;
}

/** ADD of an unshifted immediate, 64 bits. */
function isAdd(code: number): boolean {
  return code >>> 22 === 0x244;
}

function scaleOf(code: number): number {
  if (isAdd(code)) return 0;
  const isQuad = ((code >>> 26) & 1) === 1 && ((code >>> 23) & 1) === 1;
  return isQuad ? 4 : code >>> 30;
}

function lowImmediate(code: number): number {
  return ((code >>> 10) & 0xfff) << scaleOf(code);
}

function lowBehind(old: Bytes, offset: number, register: number): number {
  for (let i = 1; i <= PAIR_SEARCH_MAX; i++) {
    const code = word(old, offset + 4 * i);
    if (formOf(code) === LOW12 && ((code >>> 5) & 31) === register) return lowImmediate(code);
  }
  return 0;
}

function targetIn(code: number, form: number, address: number): number {
  if (form === BL || form === B) return (address + 4 * signed(code, 26)) >>> 0;
  if (form === NEAR || form === LDR) return (address + 4 * signed(code >>> 5, 19)) >>> 0;
  if (form === TBZ) return (address + 4 * signed(code >>> 5, 14)) >>> 0;
  const distance = signed((((code >>> 5) & 0x7ffff) << 2) | ((code >>> 29) & 3), 21);
  if (form === ADRP) return (((address >>> 12) + distance) << 12) >>> 0;
  return (address + distance) >>> 0;
}
