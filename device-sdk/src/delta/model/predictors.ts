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
