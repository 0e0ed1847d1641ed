import { BRANCH, type Bytes, CALL, type Cpu, fits, JUMP, LITERAL, PLAIN, signed, type Unit } from '../unit.ts';
import type { Order } from './xtensa-order.ts';

const CALLN = 1;
const L32R = 2;
const J = 3;
const BRANCH12 = 4;
const BRANCH8 = 5;
/** Bits of the operand, by form. */
const OPERAND_BITS = [0, 18, 16, 18, 12, 8] as const;

/** Xtensa, either byte order (ISA reference manual, 2010): calls, jumps, branches and loads from the literal pool. */
export class Xtensa implements Cpu {
  readonly align = 1;
  readonly bigEndian: boolean;
  readonly #order: Order;

  constructor(order: Order) {
    this.#order = order;
    this.bigEndian = order.bigEndian;
  }

  reset(): void {}

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const order = this.#order;
    const first = old.byte(offset);
    unit.kind = PLAIN;
    unit.size = isNarrow(order.op0(first)) ? 2 : 3;
    const toEntry = -address & 3;
    if (toEntry > 0 && toEntry < unit.size && this.#isEntry(old, offset + toEntry)) {
      unit.size = toEntry;
      return;
    }
    if (unit.size === 2) return;
    unit.form = formOf(order, first);
    if (unit.form === 0) return;
    unit.kind = unit.form === CALLN ? CALL : unit.form === L32R ? LITERAL : unit.form === J ? JUMP : BRANCH;
    const code = order.join(first, old.byte(offset + 1), old.byte(offset + 2));
    unit.target = target(order.operand(code, OPERAND_BITS[unit.form]!), unit.form, address);
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const order = this.#order;
    if (formOf(order, bytes[0]!) !== form) return -1;
    const code = order.join(bytes[0]!, bytes[1]!, bytes[2]!);
    return target(order.operand(code, OPERAND_BITS[form]!), form, address);
  }

  retarget(bytes: Uint8Array, form: number, address: number, to: number): boolean {
    const order = this.#order;
    const operand = operandFor(form, address, to);
    if (operand === undefined) return false;
    const code = order.join(bytes[0]!, bytes[1]!, bytes[2]!);
    order.split(order.withOperand(code, OPERAND_BITS[form]!, operand), bytes);
    return true;
  }

  /** Code and literals alternate; at the first instruction of a function the stream is in step again. */
  #isEntry(old: Bytes, offset: number): boolean {
    return this.#order.isEntry(old.byte(offset), old.byte(offset + 1));
  }
}

/** Density instructions have two bytes: op0 from 8 to 13. */
function isNarrow(op0: number): boolean {
  return op0 >= 8 && op0 <= 13;
}

/** All forms show in the first byte. */
function formOf(order: Order, first: number): number {
  const op0 = order.op0(first);
  if (op0 === 5) return CALLN;
  if (op0 === 1) return L32R;
  if (op0 === 7) return BRANCH8;
  if (op0 !== 6) return 0;
  const n = order.n(first);
  if (n === 0) return J;
  if (n === 1) return BRANCH12;
  // ENTRY, n 3 and m 0, has a frame size in this place.
  return n === 3 && order.m(first) === 0 ? 0 : BRANCH8;
}

function target(operand: number, form: number, address: number): number {
  if (form === CALLN) return ((address & ~3) + 4 + 4 * signed(operand, 18)) >>> 0;
  if (form === L32R) return (((address + 3) & ~3) + 4 * (operand - 0x10000)) >>> 0;
  return (address + 4 + signed(operand, OPERAND_BITS[form]!)) >>> 0;
}

/** @returns undefined if that is out of its reach */
function operandFor(form: number, address: number, to: number): number | undefined {
  if (form === L32R) {
    const distance = (to - ((address + 3) & ~3)) | 0;
    return (distance & 3) !== 0 || distance >= 0 || distance < -0x40000 ? undefined : distance >> 2;
  }
  const fromWord = form === CALLN;
  const distance = (to - (fromWord ? address & ~3 : address) - 4) | 0;
  if (fromWord && (distance & 3) !== 0) return undefined;
  const operand = fromWord ? distance >> 2 : distance;
  return fits(operand, OPERAND_BITS[form]!) ? operand : undefined;
}
