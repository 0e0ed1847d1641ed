import { demand } from '../errors.ts';
import { type CodingShape, codingBytes } from './model/coding.ts';
import { PREDICTOR_NONE } from './model/cpus.ts';
import { modelBytes } from './model/memory.ts';
import { QUEUE_BYTES } from './model/range-decoder.ts';

/**
 * Memory classes of updaters: the whole workspace a decoder may ask for, in bytes.
 * The class is a property of the product class, so a delta is made for the smallest device that must take it.
 */
export const CLASS_BYTES = { S: 4096, M: 8192, L: 16384, XL: 65536, G: 1_048_576 } as const;

export type MemoryClass = keyof typeof CLASS_BYTES;

/** Wire order of the classes: the class byte of the header is an index of this list. */
export const CLASSES: readonly MemoryClass[] = ['S', 'M', 'L', 'XL', 'G'];

/** Coders, by their number in the header. */
export const CODER_STORED = 0;
export const CODER_HEATSHRINK = 1;
export const CODER_LITE = 2;
export const CODER_MIXING = 3;

/** Decoder state in front of the workspace: raw header, cursors, half-read tokens. The rest of it is zero. */
export const STATE_BYTES = 256;

/** Old bytes fetched at once when single bytes of the old image are patched: one read per 128, not one per byte. */
export const OLD_BUFFER_BYTES = 128;

/** Images above this size are refused, so that every sum of two offsets stays inside 32 bits. */
export const IMAGE_BYTES_MAX = 0x3fff_ffff;

/** What the size of a workspace depends on: fields of the header. */
export interface WorkspaceNeed {
  predictor: number;
  coder: number;
  windowBits: number;
  lookaheadBits: number;
  pageBits: number;
  mapRuns: number;
  learnedEntries: number;
}

/** Parts of the workspace behind the state, in their order. Each begins at a multiple of 4. */
export function workspaceParts(need: WorkspaceNeed): { tables: number; model: number; queue: number } {
  const ranged = need.coder === CODER_LITE || need.coder === CODER_MIXING;
  const window = need.windowBits === 0 ? 0 : 2 ** need.windowBits;
  const modelled = ranged || need.predictor !== PREDICTOR_NONE;
  return {
    tables: ranged ? codingBytes(codingShape(need)) : window,
    model: modelled ? modelBytes(need) : 0,
    queue: ranged ? QUEUE_BYTES : 0,
  };
}

/** The two parameters of the header in the words of the range coders. */
export function codingShape(need: { coder: number; windowBits: number; lookaheadBits: number }): CodingShape {
  return { mixing: need.coder === CODER_MIXING, first: need.windowBits, second: need.lookaheadBits };
}

/** Workspace a container needs: the same sum in every implementation (FORMAT-DELTA, header, rule 2). */
export function workspaceBytes(need: WorkspaceNeed): number {
  const { tables, model, queue } = workspaceParts(need);
  return STATE_BYTES + tables + model + queue + OLD_BUFFER_BYTES + 2 ** need.pageBits;
}

/** @throws Refusal UNSUPPORTED for a name that is not a memory class */
export function memoryClass(name: string): MemoryClass {
  demand(
    (CLASSES as readonly string[]).includes(name),
    'UNSUPPORTED',
    `memory class ${name}: expected S, M, L, XL or G`,
  );
  return name as MemoryClass;
}
