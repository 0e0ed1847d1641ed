/**
 * What a device can decode beyond stored and heatshrink bytes that nobody predicts: range coders and instruction sets.
 * Each is a part of its own (entry point `decoders`), so that a device carries those its product is made with. A
 * container that needs another is refused by its header, UNSUPPORTED.
 */
import type { Copier } from './copier.ts';
import type { DeltaHeader } from './fields.ts';
import type { ModelCounts, ModelMemory } from './model/memory.ts';
import type { Predictor } from './model/predictor.ts';
import type { ModelSection, ModelShape } from './model/section.ts';
import type { Cpu } from './model/unit.ts';
import type { OldBytes } from './old-bytes.ts';
import type { Pages } from './pages.ts';

/** Prediction itself: one for all parts, and only carried with one of them. */
export interface Modelling {
  bytes(counts: ModelCounts): number;
  memory(area: Uint8Array, counts: ModelCounts): ModelMemory;
  section(shape: ModelShape, memory: ModelMemory): ModelSection;
  copier(predictor: Predictor): Copier;
}

/** What the blocks are decoded with. */
export interface Engine {
  oldOffset: number;
  blockEnd: number;
  feed(byte: number): boolean;
  save(): number[];
  load(numbers: readonly number[]): void;
}

/** Where an engine works: its parts of the workspace, the old image, and the pages of the new one. */
export interface EnginePorts {
  tables: Uint8Array;
  queue: Uint8Array;
  predictor: Predictor;
  bytes: OldBytes;
  pages: Pages;
  /** Called at the start of every block, for tables that are not the coder's. */
  reset(): void;
}

/** A range coder, by its number in the header. */
export interface CoderPart {
  readonly coder: number;
  readonly model: Modelling;
  readonly queueBytes: number;
  /** Whether this coder has these two parameters in such a container. */
  fits(header: DeltaHeader): boolean;
  tablesBytes(need: { windowBits: number; lookaheadBits: number }): number;
  engine(header: DeltaHeader, ports: EnginePorts): Engine;
}

/** An instruction set, by the number of its predictor in the header. */
export interface CpuPart {
  readonly predictor: number;
  readonly model: Modelling;
  /** @param registers {@link REGISTER_WORDS} words */
  cpu(registers: Uint32Array): Cpu;
}

export type DecoderPart = CoderPart | CpuPart;

export function coderPart(parts: readonly DecoderPart[], number: number): CoderPart | undefined {
  return parts.find((part): part is CoderPart => 'coder' in part && part.coder === number);
}

export function cpuPart(parts: readonly DecoderPart[], number: number): CpuPart | undefined {
  return parts.find((part): part is CpuPart => 'predictor' in part && part.predictor === number);
}
