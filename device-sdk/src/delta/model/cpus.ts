import { AArch64 } from './cpu/aarch64.ts';
import { Arm } from './cpu/arm.ts';
import { Avr } from './cpu/avr.ts';
import { NoCpu } from './cpu/none.ts';
import { RiscV } from './cpu/riscv.ts';
import { Thumb } from './cpu/thumb.ts';
import { Xtensa } from './cpu/xtensa.ts';
import { BIG, LITTLE } from './cpu/xtensa-order.ts';
import type { Cpu } from './unit.ts';

/** Numbers of the predictors in the header. */
export const PREDICTOR_NONE = 0;
export const PREDICTOR_THUMB = 1;
export const PREDICTOR_RISCV = 2;
export const PREDICTOR_XTENSA = 3;
export const PREDICTOR_ARM = 4;
export const PREDICTOR_AARCH64 = 5;
export const PREDICTOR_AVR = 6;
export const PREDICTOR_XTENSA_BIG = 7;

/** Names for people, by these numbers. */
export const PREDICTOR_NAMES = ['none', 'thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'] as const;
export type PredictorName = (typeof PREDICTOR_NAMES)[number];

/** Words of state an instruction set may keep: one for each register of RISC-V or AArch64. */
export const REGISTER_WORDS = 32;

const MAKERS: readonly ((registers: Uint32Array) => Cpu)[] = [
  () => new NoCpu(),
  () => new Thumb(),
  (registers) => new RiscV(registers),
  () => new Xtensa(LITTLE),
  () => new Arm(),
  (registers) => new AArch64(registers),
  () => new Avr(),
  () => new Xtensa(BIG),
];

export function isPredictor(predictor: number): boolean {
  return MAKERS[predictor] !== undefined;
}

/** @param registers {@link REGISTER_WORDS} words */
export function cpuOf(predictor: number, registers: Uint32Array): Cpu {
  return MAKERS[predictor]!(registers);
}
