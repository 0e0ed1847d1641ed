import type { Copy } from '../align.ts';
import { readParts } from './header.ts';
import { readTriples } from './triples.ts';

/** The alignment that a patch was made from: what bsdiff found, for our own encoder. @throws Refusal as applyBsdiff40 */
export function copiesOfBsdiff40(patch: Uint8Array, oldBytes: number): Copy[] {
  const { newBytes, control } = readParts(patch);
  const copies: Copy[] = [];
  for (const { newStart, oldStart, copied } of readTriples(control, newBytes, oldBytes))
    if (copied > 0) copies.push({ newStart, oldStart, length: copied });
  return copies;
}
