/**
 * The parts of the decoder that a device may bring: `decoders: [lite, thumb]`. Without any it decodes containers of class
 * S without a predictor, stored or heatshrink.
 *
 * | part | containers |
 * |---|---|
 * | `lite` | classes M and L |
 * | `mixing` | classes XL and G |
 * | `thumb` … `xtensaBig` | of any class, predicted for this processor |
 */
import { CODER_LITE, CODER_MIXING } from './classes.ts';
import { Copier } from './copier.ts';
import { LITERAL_BITS_MAX, liteCoding, RESIDUAL_TREES } from './model/coding-lite.ts';
import { isLearned, MIXING_SIZES, mixingCoding } from './model/coding-mixing.ts';
import { AArch64 } from './model/cpu/aarch64.ts';
import { Arm } from './model/cpu/arm.ts';
import { Avr } from './model/cpu/avr.ts';
import { RiscV } from './model/cpu/riscv.ts';
import { Thumb } from './model/cpu/thumb.ts';
import { Xtensa } from './model/cpu/xtensa.ts';
import { BIG, LITTLE } from './model/cpu/xtensa-order.ts';
import { modelBytes, modelMemory } from './model/memory.ts';
import {
  PREDICTOR_AARCH64,
  PREDICTOR_ARM,
  PREDICTOR_AVR,
  PREDICTOR_RISCV,
  PREDICTOR_THUMB,
  PREDICTOR_XTENSA,
  PREDICTOR_XTENSA_BIG,
} from './model/predictors.ts';
import { QUEUE_BYTES } from './model/range-decoder.ts';
import { ModelSection } from './model/section.ts';
import type { CoderPart, CpuPart, DecoderPart, Modelling } from './parts.ts';
import { Ranged } from './ranged.ts';

export type { CoderPart, CpuPart, DecoderPart } from './parts.ts';

const model: Modelling = {
  bytes: modelBytes,
  memory: modelMemory,
  section: (shape, memory) => new ModelSection(shape, memory),
  copier: (predictor) => new Copier(predictor),
};

/** The range coder of classes M and L: one state per decision. */
export const lite: CoderPart = {
  coder: CODER_LITE,
  model,
  queueBytes: QUEUE_BYTES,
  fits: ({ windowBits, lookaheadBits }) => windowBits <= LITERAL_BITS_MAX && RESIDUAL_TREES.includes(lookaheadBits),
  tablesBytes: (need) => liteCoding.bytes(need),
  engine: (header, ports) => new Ranged(liteCoding, header, ports),
};

/** The range coder of classes XL and G: contexts joined by mixing. */
export const mixing: CoderPart = {
  coder: CODER_MIXING,
  model,
  queueBytes: QUEUE_BYTES,
  fits: (header) => MIXING_SIZES[header.windowBits] !== undefined && (header.lookaheadBits === 0 || isLearned(header)),
  tablesBytes: (need) => mixingCoding.bytes(need),
  engine: (header, ports) => new Ranged(mixingCoding, header, ports),
};

/** Cortex-M. */
export const thumb: CpuPart = { predictor: PREDICTOR_THUMB, model, cpu: () => new Thumb() };
export const riscv: CpuPart = { predictor: PREDICTOR_RISCV, model, cpu: (registers) => new RiscV(registers) };
/** ESP32 and ESP8266. */
export const xtensa: CpuPart = { predictor: PREDICTOR_XTENSA, model, cpu: () => new Xtensa(LITTLE) };
export const arm: CpuPart = { predictor: PREDICTOR_ARM, model, cpu: () => new Arm() };
export const aarch64: CpuPart = { predictor: PREDICTOR_AARCH64, model, cpu: (registers) => new AArch64(registers) };
export const avr: CpuPart = { predictor: PREDICTOR_AVR, model, cpu: () => new Avr() };
/** Xtensa with its highest byte first. */
export const xtensaBig: CpuPart = { predictor: PREDICTOR_XTENSA_BIG, model, cpu: () => new Xtensa(BIG) };

/** Every container that can be made: for gateways, servers and tools. */
export const EVERY_DECODER: readonly DecoderPart[] = [
  lite,
  mixing,
  ...[thumb, riscv, xtensa, arm, aarch64, avr, xtensaBig],
];
