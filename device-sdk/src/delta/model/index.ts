/** The model both sides drive: what a copy ought to be, and the coding of what it is. For encoders. */

export { cpuOf } from '../every.ts';
export { AddressMap } from './address-map.ts';
export type { BitCoder } from './chances.ts';
export { Coding, type CodingKind, type CodingShape } from './coding.ts';
export { liteCoding } from './coding-lite.ts';
export { mixingCoding } from './coding-mixing.ts';
export { modelBytes, modelMemory } from './memory.ts';
export { COPY_LENGTH, FILL_LENGTH, INSERT_LENGTH, SEEK } from './numbers.ts';
export { Predictor } from './predictor.ts';
export {
  PREDICTOR_AARCH64,
  PREDICTOR_ARM,
  PREDICTOR_AVR,
  PREDICTOR_NAMES,
  PREDICTOR_NONE,
  PREDICTOR_RISCV,
  PREDICTOR_THUMB,
  PREDICTOR_XTENSA,
  PREDICTOR_XTENSA_BIG,
  type PredictorName,
  REGISTER_WORDS,
} from './predictors.ts';
export { RANGE_MIN } from './range-decoder.ts';
export { REGIONS_MAX, type Region, Regions } from './regions.ts';
export { ModelSection, type ModelShape } from './section.ts';
export { type Range, Targets } from './targets.ts';
export { BRANCH, type Bytes, type Cpu, LITERAL, POINTER, UNIT_BYTES_MAX, type Unit } from './unit.ts';
