/** Instruction sets by docs/FORMAT-DELTA.md: its tables, and in words of their own the rules below them. */
import { instructions, type Row } from './format-delta.ts';

export interface Look {
  size: number;
  kind: number;
  form: number;
  target: number;
}

export interface Shape {
  heading: string;
  size(w: number): number;
  /** Bytes of a row as a number. */
  word(bytes: Uint8Array, at: number, count: number): number;
  put(bytes: Uint8Array, at: number, count: number, w: number): void;
}

const BASES: Record<string, (a: number) => number> = {
  A: (a) => a,
  'A + 2': (a) => a + 2,
  'A + 4': (a) => a + 4,
  'A + 8': (a) => a + 8,
  '(A + 4) & ~3': (a) => (a + 4) & ~3,
  '(A + 3) & ~3': (a) => (a + 3) & ~3,
  '(A & ~3) + 4': (a) => (a & ~3) + 4,
  '0': () => 0,
  '0x800000': () => 0x800000,
};

const PLAIN = { kind: 0, form: 0, target: 0 };

/** One instruction set. Bytes beyond the end of an image are zeros: give arrays with a tail. */
export class Tables {
  readonly rows: Row[];
  readonly #shape: Shape;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.rows = instructions(shape.heading);
  }

  reset(): void {}

  look(bytes: Uint8Array, at: number, a: number): Look {
    const found = this.find(bytes, at);
    const size = found?.form === 0 || found === undefined ? this.sizeOf(bytes, at) : found.bytes;
    if (found === undefined || found.form === 0) return { size, ...PLAIN };
    const w = this.word(bytes, at, found);
    return { size, kind: found.kind, form: found.form, target: targetOf(found, w, a) };
  }

  /** @returns false if there is no room */
  put(bytes: Uint8Array, b: number, target: number): boolean {
    const row = this.find(bytes, 0)!;
    const w = withTarget(row, this.word(bytes, 0, row), b, target);
    if (w === undefined) return false;
    this.#shape.put(bytes, 0, row.bytes, w);
    return true;
  }

  /** @returns -1 for another form, or one that does not tell */
  tell(bytes: Uint8Array, size: number, form: number, b: number): number {
    const row = this.rows.find((each) => each.bytes === size && this.#agrees(each, bytes, 0));
    if (row === undefined || row.special || row.form !== form) return -1;
    return targetOf(row, this.word(bytes, 0, row), b);
  }

  find(bytes: Uint8Array, at: number): Row | undefined {
    return this.rows.find((row) => this.#agrees(row, bytes, at));
  }

  sizeOf(bytes: Uint8Array, at: number): number {
    return this.#shape.size(bytes[at]! | (bytes[at + 1]! << 8));
  }

  word(bytes: Uint8Array, at: number, row: Row): number {
    return this.#shape.word(bytes, at, row.bytes);
  }

  store(bytes: Uint8Array, at: number, row: Row, w: number): void {
    this.#shape.put(bytes, at, row.bytes, w);
  }

  #agrees(row: Row, bytes: Uint8Array, at: number): boolean {
    return (this.word(bytes, at, row) & row.mask) >>> 0 === row.value;
  }
}

/** The operand as a number that is not yet of its type. */
function gather(row: Row, w: number): number {
  let q = 0;
  for (const { bit, mixed } of row.operand) q = 2 * q + (mixed ? digit(w, bit) ^ digit(w, 26) ^ 1 : digit(w, bit));
  return q;
}

/** Bits are taken from the highest to the lowest, so bit 26 is in place before those that are mixed with it. */
function scatter(row: Row, w: number, q: number): number {
  let out = w;
  let left = row.operand.length;
  for (const { bit, mixed } of row.operand) {
    const value = Math.floor(q / 2 ** --left) % 2;
    const stored = mixed ? value ^ digit(out, 26) ^ 1 : value;
    out = ((out & ~(1 << bit)) | (stored << bit)) >>> 0;
  }
  return out;
}

function digit(w: number, bit: number): number {
  return (w >>> bit) & 1;
}

export function operand(row: Row, w: number): number {
  const q = gather(row, w);
  const range = 2 ** row.operand.length;
  if (row.type === 's') return q >= range / 2 ? q - range : q;
  if (row.type === 'n') return q - range;
  if (row.type === 'm') return q >= range / 2 ? q - range / 2 : -q;
  return q;
}

/** @returns undefined for a number that cannot be written */
function written(row: Row, q: number): number | undefined {
  const range = 2 ** row.operand.length;
  if (row.type === 's') return q >= -range / 2 && q < range / 2 ? (q + range) % range : undefined;
  if (row.type === 'n') return q >= -range && q < 0 ? q + range : undefined;
  if (row.type === 'm') return Math.abs(q) < range / 2 ? (q >= 0 ? range / 2 + q : -q) : undefined;
  return q >= 0 && q < range ? q : undefined;
}

function targetOf(row: Row, w: number, a: number): number {
  return (BASES[row.base]!(a) + row.scale * operand(row, w)) >>> 0;
}

function withTarget(row: Row, w: number, b: number, target: number): number | undefined {
  const distance = (target - BASES[row.base]!(b)) | 0;
  if (distance % row.scale !== 0) return undefined;
  const q = written(row, distance / row.scale);
  return q === undefined ? undefined : scatter(row, w, q);
}

/** Before an entry at a multiple of 4 the unit ends. */
export class XtensaTables extends Tables {
  readonly #isEntry: (first: number, second: number) => boolean;

  constructor(shape: Shape, isEntry: (first: number, second: number) => boolean) {
    super(shape);
    this.#isEntry = isEntry;
  }

  override look(bytes: Uint8Array, at: number, a: number): Look {
    const size = this.sizeOf(bytes, at);
    const next = (4 - (a % 4)) % 4;
    if (next > 0 && next < size && this.#isEntry(bytes[at + next]!, bytes[at + next + 1]!))
      return { size: next, ...PLAIN };
    return super.look(bytes, at, a);
  }
}

function isLittleEntry(first: number, second: number): boolean {
  return (first === 0x36 && second % 16 === 1) || (first === 0x12 && second === 0xc1);
}

function isBigEntry(first: number, second: number): boolean {
  return (first === 0x6c && second >> 4 === 1) || (first === 0x21 && second === 0x1c);
}

const rs = (w: number): number => (w >>> 15) & 31;
const rd = (w: number): number => (w >>> 7) & 31;
const upper = (w: number): number => (w & 0xfffff000) >>> 0;
const NO_CLEAR = /^(JAL|BEQ|AUIPC|LUI|load of a float|store)\b(?!R)/;

/** Pairs of AUIPC, LUI with its first user, users of a register that a LUI has set. */
export class RiscvTables extends Tables {
  readonly #u = new Uint32Array(32);

  override reset(): void {
    this.#u.fill(0);
  }

  override look(bytes: Uint8Array, at: number, a: number): Look {
    const row = this.find(bytes, at);
    if (row?.name === 'AUIPC') return this.#auipc(bytes, at, a, row);
    const size = this.sizeOf(bytes, at);
    const w = size === 4 ? this.word(bytes, at, this.rows[0]!) : bytes[at]! | (bytes[at + 1]! << 8);
    let look: Look = { size, ...PLAIN };
    if (row?.name === 'LUI') look = this.#lui(bytes, at, w);
    else if (isUser(row)) {
      const high = this.#u[rs(w)]!;
      if (high !== 0) look = { size, kind: 7, form: row.form, target: (high + operand(row, w)) >>> 0 };
    } else look = super.look(bytes, at, a);
    if (size === 4 ? !NO_CLEAR.test(row?.name ?? '') : clears(w)) this.#u[rd(w)] = 0;
    return look;
  }

  #auipc(bytes: Uint8Array, at: number, a: number, row: Row): Look {
    const w = this.word(bytes, at, row);
    const user = this.#userAt(bytes, at + 4, rd(w));
    if (user === undefined) return { size: 4, ...PLAIN };
    const target = (a + upper(w) + operand(user, this.word(bytes, at + 4, user))) >>> 0;
    return { size: 8, kind: 2, form: user.form === 8 ? 5 : 6, target };
  }

  #lui(bytes: Uint8Array, at: number, w: number): Look {
    this.#u[rd(w)] = upper(w);
    for (let i = 0, next = at + 4; i < 12; i++, next += this.sizeOf(bytes, next)) {
      const user = this.#userAt(bytes, next, rd(w));
      if (user === undefined) continue;
      return { size: 4, kind: 6, form: 7, target: (upper(w) + operand(user, this.word(bytes, next, user))) >>> 0 };
    }
    return { size: 4, ...PLAIN };
  }

  #userAt(bytes: Uint8Array, at: number, register: number): Row | undefined {
    const row = this.find(bytes, at);
    return isUser(row) && rs(this.word(bytes, at, row)) === register ? row : undefined;
  }

  override put(bytes: Uint8Array, b: number, target: number): boolean {
    const row = this.find(bytes, 0)!;
    if (!row.special) return super.put(bytes, b, target);
    const w = this.word(bytes, 0, row);
    const high = (of: number): number => (upper(of + 0x800) | (w & 0xfff)) >>> 0;
    if (row.name === 'LUI') this.store(bytes, 0, row, high(target));
    else if (row.name !== 'AUIPC') this.store(bytes, 0, row, scatter(row, w, target & 0xfff));
    else {
      const distance = (target - b) | 0;
      this.store(bytes, 0, row, high(distance));
      const user = this.find(bytes, 4)!;
      this.store(bytes, 4, user, scatter(user, this.word(bytes, 4, user), distance & 0xfff));
    }
    return true;
  }

  override tell(bytes: Uint8Array, size: number, form: number, b: number): number {
    if (size !== 8) return super.tell(bytes, size, form, b);
    const row = this.find(bytes, 0);
    const pair = row?.name === 'AUIPC' ? this.#auipc(bytes, 0, b, row) : undefined;
    return pair?.form === form ? pair.target : -1;
  }
}

function isUser(row: Row | undefined): row is Row {
  return row !== undefined && (row.form === 8 || row.form === 9);
}

function clears(w: number): boolean {
  const code = w & 0xe003;
  return code === 0x4001 || code === 0x8002 || code === 0x0002 || (code === 0x6001 && rd(w) !== 2);
}

const rn = (w: number): number => (w >>> 5) & 31;

/** ADRP with its first user, users of a register that an ADRP has set. */
export class Aarch64Tables extends Tables {
  readonly #pages = new Map<number, number>();

  override reset(): void {
    this.#pages.clear();
  }

  override look(bytes: Uint8Array, at: number, a: number): Look {
    const row = this.find(bytes, at);
    if (!row?.special) return super.look(bytes, at, a);
    const w = this.word(bytes, at, row);
    if (row.name === 'ADRP') {
      const page = (((a >>> 12) + operand(row, w)) << 12) >>> 0;
      this.#pages.set(w & 31, page);
      return { size: 4, kind: 6, form: 7, target: (page + this.#behind(bytes, at, w & 31)) >>> 0 };
    }
    const page = this.#pages.get(rn(w));
    if (page === undefined) return { size: 4, ...PLAIN };
    if (row.name.startsWith('ADD')) this.#pages.delete(w & 31);
    return { size: 4, kind: 7, form: 8, target: (page + (operand(row, w) << shiftOf(row, w))) >>> 0 };
  }

  #behind(bytes: Uint8Array, at: number, register: number): number {
    for (let i = 1; i <= 8; i++) {
      const row = this.find(bytes, at + 4 * i);
      if (row?.form !== 8) continue;
      const w = this.word(bytes, at + 4 * i, row);
      if (rn(w) === register) return operand(row, w) << shiftOf(row, w);
    }
    return 0;
  }

  override put(bytes: Uint8Array, b: number, target: number): boolean {
    const row = this.find(bytes, 0)!;
    if (!row.special) return super.put(bytes, b, target);
    const w = this.word(bytes, 0, row);
    if (row.name === 'ADRP') {
      const q = (target >>> 12) - (b >>> 12);
      this.store(bytes, 0, row, scatter(row, w, q + 2 ** 21));
      return true;
    }
    const z = shiftOf(row, w);
    if (target % 2 ** z !== 0) return false;
    this.store(bytes, 0, row, scatter(row, w, (target & 0xfff) >> z));
    return true;
  }
}

function shiftOf(row: Row, w: number): number {
  if (row.name.startsWith('ADD')) return 0;
  return digit(w, 26) === 1 && digit(w, 23) === 1 ? 4 : w >>> 30;
}

function little(bytes: Uint8Array, at: number, count: number): number {
  let w = 0;
  for (let i = count - 1; i >= 0; i--) w = w * 256 + (bytes[at + i] ?? 0);
  return w;
}

function putLittle(bytes: Uint8Array, at: number, count: number, w: number): void {
  for (let i = 0; i < count; i++) bytes[at + i] = w >>> (8 * i);
}

/** Thumb and AVR: two halfwords, the first one above. */
function halves(bytes: Uint8Array, at: number, count: number): number {
  return count === 2 ? little(bytes, at, 2) : little(bytes, at, 2) * 65536 + little(bytes, at + 2, 2);
}

function putHalves(bytes: Uint8Array, at: number, count: number, w: number): void {
  putLittle(bytes, at, 2, count === 2 ? w : w >>> 16);
  if (count === 4) putLittle(bytes, at + 2, 2, w);
}

function big(bytes: Uint8Array, at: number, count: number): number {
  let w = 0;
  for (let i = 0; i < count; i++) w = w * 256 + (bytes[at + i] ?? 0);
  return w;
}

function putBig(bytes: Uint8Array, at: number, count: number, w: number): void {
  for (let i = 0; i < count; i++) bytes[at + i] = w >>> (8 * (count - 1 - i));
}

const byHalves = { word: halves, put: putHalves };
const byBytes = { word: little, put: putLittle };
const byBigBytes = { word: big, put: putBig };

/** By the predictor's number in the header. */
export const MAKERS: Record<number, () => Tables> = {
  1: () => new Tables({ heading: '### Thumb', size: (w) => (w >= 0xe800 ? 4 : 2), ...byHalves }),
  2: () => new RiscvTables({ heading: '### RISC-V', size: (w) => (w % 4 === 3 ? 4 : 2), ...byBytes }),
  3: () => new XtensaTables({ heading: '### Xtensa', size: narrow, ...byBytes }, isLittleEntry),
  4: () => new Tables({ heading: '### ARM', size: () => 4, ...byBytes }),
  5: () => new Aarch64Tables({ heading: '### AArch64', size: () => 4, ...byBytes }),
  6: () => new Tables({ heading: '### AVR', size: () => 2, ...byHalves }),
  7: () => new XtensaTables({ heading: '### Xtensa, big-endian', size: wideFirst, ...byBigBytes }, isBigEntry),
};

function narrow(w: number): number {
  return w % 16 >= 8 && w % 16 <= 13 ? 2 : 3;
}

function wideFirst(w: number): number {
  return narrow((w >> 4) & 15);
}
