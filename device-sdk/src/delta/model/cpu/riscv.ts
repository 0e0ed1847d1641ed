import {
  BRANCH,
  type Bytes,
  CALL,
  type Cpu,
  fits,
  get16,
  get32,
  HIGH,
  half,
  JUMP,
  LOW,
  PLAIN,
  put16,
  put32,
  signed,
  type Unit,
  word,
} from '../unit.ts';

const JAL = 1;
const BRANCH_WIDE = 2;
const C_J = 3;
const C_BRANCH = 4;
const AUIPC_PAIR_I = 5;
const AUIPC_PAIR_S = 6;
const LUI = 7;
const LOW_I = 8;
const LOW_S = 9;

/** Instructions behind a LUI that are searched for the one that completes the address. */
const PAIR_SEARCH_MAX = 12;

const OP_LUI = 0x37;
const OP_AUIPC = 0x17;
const OP_JAL = 0x6f;
const OP_JALR = 0x67;
const OP_BRANCH = 0x63;
const OP_IMM = 0x13;
const OP_LOAD = 0x03;
const OP_LOAD_FP = 0x07;
const OP_STORE = 0x23;
const OP_STORE_FP = 0x27;

/** RISC-V with compressed instructions: jumps, branches, AUIPC pairs, and LUI with whatever uses its register. */
export class RiscV implements Cpu {
  readonly align = 2;
  readonly bigEndian = false;
  /** Upper 20 bits that a LUI has put into each register; 0 for none. */
  readonly #high: Uint32Array;

  /** @param registers one word each */
  constructor(registers: Uint32Array) {
    this.#high = registers;
  }

  reset(): void {
    this.#high.fill(0);
  }

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const first = half(old, offset);
    unit.kind = PLAIN;
    if ((first & 3) === 3) this.#lookWide(old, offset, address, unit);
    else this.#lookNarrow(first, address, unit);
  }

  #lookWide(old: Bytes, offset: number, address: number, unit: Unit): void {
    const code = word(old, offset);
    const op = code & 0x7f;
    unit.size = 4;
    if (op === OP_JAL) set(unit, CALL, JAL, (address + jalOffset(code)) >>> 0);
    else if (op === OP_BRANCH) set(unit, BRANCH, BRANCH_WIDE, (address + branchOffset(code)) >>> 0);
    else if (op === OP_AUIPC) lookPair(old, offset, address, code, unit);
    else if (op === OP_LUI) this.#lookHigh(old, offset, code, unit);
    else this.#lookLow(code, op, unit);
  }

  #lookNarrow(code: number, address: number, unit: Unit): void {
    unit.size = 2;
    const op = (code & 3) | ((code >> 11) & 0x1c);
    if (op === 0x15 || op === 0x05) set(unit, JUMP, C_J, (address + cjOffset(code)) >>> 0);
    else if (op === 0x19 || op === 0x1d) set(unit, BRANCH, C_BRANCH, (address + cbOffset(code)) >>> 0);
    else if (op === 0x09 || op === 0x12 || op === 0x02) this.#high[(code >> 7) & 31] = 0;
    else if (op === 0x0d && ((code >> 7) & 31) !== 2) this.#high[(code >> 7) & 31] = 0;
  }

  #lookHigh(old: Bytes, offset: number, code: number, unit: Unit): void {
    const register = (code >> 7) & 31;
    const high = (code & 0xfffff000) >>> 0;
    this.#high[register] = high;
    const low = lowOf(old, offset, register);
    if (low !== NONE) set(unit, HIGH, LUI, (high + low) >>> 0);
  }

  #lookLow(code: number, op: number, unit: Unit): void {
    const form = lowForm(code, op);
    if (form !== 0) {
      const high = this.#high[(code >> 15) & 31]!;
      if (high !== 0) set(unit, LOW, form, (high + lowImmediate(code, form)) >>> 0);
    }
    if (op !== OP_STORE && op !== OP_STORE_FP && op !== OP_LOAD_FP) this.#high[(code >> 7) & 31] = 0;
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    if (form === C_J || form === C_BRANCH) {
      const code = get16(bytes, 0);
      const op = (code & 3) | ((code >> 11) & 0x1c);
      const same = form === C_J ? op === 0x15 || op === 0x05 : op === 0x19 || op === 0x1d;
      return same ? (address + (form === C_J ? cjOffset(code) : cbOffset(code))) >>> 0 : -1;
    }
    const code = get32(bytes, 0);
    const op = code & 0x7f;
    if (form === JAL) return op === OP_JAL ? (address + jalOffset(code)) >>> 0 : -1;
    if (form === BRANCH_WIDE) return op === OP_BRANCH ? (address + branchOffset(code)) >>> 0 : -1;
    if (form !== AUIPC_PAIR_I && form !== AUIPC_PAIR_S) return -1;
    const second = get32(bytes, 4);
    if (op !== OP_AUIPC || pairForm(code, second) !== form) return -1;
    return (address + (code & 0xfffff000) + pairImmediate(second, form)) >>> 0;
  }

  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
    const distance = (target - address) | 0;
    if (form === C_J) return putCj(bytes, distance);
    if (form === C_BRANCH) return putCb(bytes, distance);
    const code = get32(bytes, 0);
    if (form === JAL) return putJal(bytes, code, distance);
    if (form === BRANCH_WIDE) return putBranch(bytes, code, distance);
    if (form === LUI) put32(bytes, 0, ((target + 0x800) & 0xfffff000) | (code & 0xfff));
    else if (form === LOW_I) put32(bytes, 0, (code & 0xfffff) | (target << 20));
    else if (form === LOW_S) putStoreLow(bytes, 0, code, target);
    else {
      put32(bytes, 0, ((distance + 0x800) & 0xfffff000) | (code & 0xfff));
      const second = get32(bytes, 4);
      if (form === AUIPC_PAIR_I) put32(bytes, 4, (second & 0xfffff) | (distance << 20));
      else putStoreLow(bytes, 4, second, distance);
    }
    return true;
  }
}

function set(unit: Unit, kind: number, form: number, target: number): void {
  unit.kind = kind;
  unit.form = form;
  unit.target = target;
}

function lookPair(old: Bytes, offset: number, address: number, code: number, unit: Unit): void {
  const second = word(old, offset + 4);
  const form = pairForm(code, second);
  if (form === 0) return;
  unit.size = 8;
  set(unit, CALL, form, (address + (code & 0xfffff000) + pairImmediate(second, form)) >>> 0);
}

/** An AUIPC and the next instruction, if that adds an immediate to the same register. */
function pairForm(code: number, second: number): number {
  const op = second & 0x7f;
  if (((second >> 15) & 31) !== ((code >> 7) & 31)) return 0;
  if (op === OP_STORE || op === OP_STORE_FP) return AUIPC_PAIR_S;
  const adds = op === OP_IMM && ((second >> 12) & 7) === 0;
  return op === OP_JALR || op === OP_LOAD || op === OP_LOAD_FP || adds ? AUIPC_PAIR_I : 0;
}

function pairImmediate(second: number, form: number): number {
  return form === AUIPC_PAIR_I ? second >> 20 : storeImmediate(second);
}

const NONE = -0x8000;

/** The immediate of the first instruction behind a LUI that uses its register as a base. */
function lowOf(old: Bytes, offset: number, register: number): number {
  let at = offset + 4;
  for (let i = 0; i < PAIR_SEARCH_MAX; i++) {
    const first = half(old, at);
    if ((first & 3) !== 3) {
      at += 2;
      continue;
    }
    const code = word(old, at);
    const form = lowForm(code, code & 0x7f);
    if (form !== 0 && ((code >> 15) & 31) === register) return lowImmediate(code, form);
    at += 4;
  }
  return NONE;
}

function lowForm(code: number, op: number): number {
  if (op === OP_STORE || op === OP_STORE_FP) return LOW_S;
  if (op === OP_LOAD || op === OP_LOAD_FP || op === OP_JALR) return LOW_I;
  return op === OP_IMM && ((code >> 12) & 7) === 0 ? LOW_I : 0;
}

function lowImmediate(code: number, form: number): number {
  return form === LOW_I ? code >> 20 : storeImmediate(code);
}

function storeImmediate(code: number): number {
  return ((code >> 25) << 5) | ((code >> 7) & 31);
}

function putStoreLow(bytes: Uint8Array, at: number, code: number, value: number): void {
  put32(bytes, at, (code & 0x01fff07f) | ((value & 31) << 7) | (((value >> 5) & 0x7f) << 25));
}

function jalOffset(code: number): number {
  const high = ((code >> 31) << 20) | (code & 0xff000);
  return high | (((code >> 20) & 1) << 11) | (((code >> 21) & 0x3ff) << 1);
}

function putJal(bytes: Uint8Array, code: number, d: number): boolean {
  if ((d & 1) !== 0 || !fits(d, 21)) return false;
  const low = (((d >> 1) & 0x3ff) << 21) | (((d >> 11) & 1) << 20) | (d & 0xff000);
  put32(bytes, 0, (code & 0xfff) | low | (((d >> 20) & 1) << 31));
  return true;
}

function branchOffset(code: number): number {
  const high = ((code >> 31) << 12) | (((code >> 7) & 1) << 11);
  return high | (((code >> 25) & 0x3f) << 5) | (((code >> 8) & 15) << 1);
}

function putBranch(bytes: Uint8Array, code: number, d: number): boolean {
  if ((d & 1) !== 0 || !fits(d, 13)) return false;
  const low = (((d >> 11) & 1) << 7) | (((d >> 1) & 15) << 8) | (((d >> 5) & 0x3f) << 25);
  put32(bytes, 0, (code & 0x01fff07f) | low | (((d >> 12) & 1) << 31));
  return true;
}

/** c.j and c.jal: offset bits 11, 4, 9:8, 10, 6, 7, 3:1, 5 from bit 12 down. */
function cjOffset(code: number): number {
  const high = (((code >> 12) & 1) << 11) | (((code >> 11) & 1) << 4) | (((code >> 9) & 3) << 8);
  const middle = (((code >> 8) & 1) << 10) | (((code >> 7) & 1) << 6) | (((code >> 6) & 1) << 7);
  return signed(high | middle | (((code >> 3) & 7) << 1) | (((code >> 2) & 1) << 5), 12);
}

function putCj(bytes: Uint8Array, d: number): boolean {
  if ((d & 1) !== 0 || !fits(d, 12)) return false;
  const high = (((d >> 11) & 1) << 12) | (((d >> 4) & 1) << 11) | (((d >> 8) & 3) << 9);
  const middle = (((d >> 10) & 1) << 8) | (((d >> 6) & 1) << 7) | (((d >> 7) & 1) << 6);
  put16(bytes, 0, (get16(bytes, 0) & 0xe003) | high | middle | (((d >> 1) & 7) << 3) | (((d >> 5) & 1) << 2));
  return true;
}

/** c.beqz and c.bnez: offset bits 8, 4:3 from bit 12, then 7:6, 2:1, 5 from bit 6. */
function cbOffset(code: number): number {
  const high = (((code >> 12) & 1) << 8) | (((code >> 10) & 3) << 3) | (((code >> 5) & 3) << 6);
  return signed(high | (((code >> 3) & 3) << 1) | (((code >> 2) & 1) << 5), 9);
}

function putCb(bytes: Uint8Array, d: number): boolean {
  if ((d & 1) !== 0 || !fits(d, 9)) return false;
  const high = (((d >> 8) & 1) << 12) | (((d >> 3) & 3) << 10) | (((d >> 6) & 3) << 5);
  put16(bytes, 0, (get16(bytes, 0) & 0xe383) | high | (((d >> 1) & 3) << 3) | (((d >> 5) & 1) << 2));
  return true;
}
