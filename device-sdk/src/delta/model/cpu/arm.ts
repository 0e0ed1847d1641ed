import {
  type Bytes,
  CALL,
  type Cpu,
  fits,
  get32,
  JUMP,
  LITERAL,
  PLAIN,
  put32,
  signed,
  type Unit,
  word,
} from '../unit.ts';

const BL = 1;
const B = 2;
const LDR = 3;

/** ARM, 32-bit instructions (ARM ARM, A8): calls, branches and loads from the literal pool. */
export class Arm implements Cpu {
  readonly align = 4;
  readonly bigEndian = false;

  reset(): void {}

  look(old: Bytes, offset: number, address: number, unit: Unit): void {
    const code = word(old, offset);
    unit.size = 4;
    unit.form = formOf(code);
    unit.kind = unit.form === 0 ? PLAIN : unit.form === BL ? CALL : unit.form === B ? JUMP : LITERAL;
    unit.target = targetIn(code, unit.form, address);
  }

  targetOf(bytes: Uint8Array, form: number, address: number): number {
    const code = get32(bytes, 0);
    return formOf(code) === form ? targetIn(code, form, address) : -1;
  }

  retarget(bytes: Uint8Array, form: number, address: number, target: number): boolean {
    const code = get32(bytes, 0);
    const distance = (target - address - 8) | 0;
    if (form === LDR) {
      if (Math.abs(distance) > 4095) return false;
      put32(bytes, 0, (code & 0xff7ff000) | (distance < 0 ? 0 : 0x800000) | Math.abs(distance));
      return true;
    }
    if ((distance & 3) !== 0 || !fits(distance >> 2, 24)) return false;
    put32(bytes, 0, (code & 0xff000000) | ((distance >> 2) & 0xffffff));
    return true;
  }
}

/** Without the condition 15, which has other instructions in these places. */
function formOf(code: number): number {
  if (code >>> 28 === 15) return 0;
  if (((code >>> 24) & 15) === 11) return BL;
  if (((code >>> 24) & 15) === 10) return B;
  return (code & 0x0f7f0000) === 0x051f0000 ? LDR : 0;
}

function targetIn(code: number, form: number, address: number): number {
  const distance = code & 0xfff;
  if (form === LDR) return (address + 8 + ((code & 0x800000) === 0 ? -distance : distance)) >>> 0;
  return (address + 8 + 4 * signed(code, 24)) >>> 0;
}
