import { align } from '../align.ts';
import { suffixArray } from '../suffix-array.ts';
import { writeBsdiff40 } from './write.ts';

/** Aligns two images and writes the patch. */
export function makeBsdiff40(old: Uint8Array, fresh: Uint8Array): Uint8Array {
  return writeBsdiff40(old, fresh, align(old, fresh, suffixArray(old)));
}
