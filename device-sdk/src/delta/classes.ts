import { demand } from '../errors.ts';

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

/** @throws Refusal UNSUPPORTED for a name that is not a memory class */
export function memoryClass(name: string): MemoryClass {
  demand(
    (CLASSES as readonly string[]).includes(name),
    'UNSUPPORTED',
    `memory class ${name}: expected S, M, L, XL or G`,
  );
  return name as MemoryClass;
}
