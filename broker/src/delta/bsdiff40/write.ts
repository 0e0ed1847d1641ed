import type { Copy } from '../align.ts';
import { bzip } from '../bzip2/writer.ts';
import { TRIPLE_BYTES, writeNumber, writeParts } from './header.ts';

/** Writes an alignment as a patch that every bspatch applies. */
export function writeBsdiff40(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Uint8Array {
  const { triples, differences, extra } = split(old, fresh, copies);
  const control = new Uint8Array(TRIPLE_BYTES * triples.length);
  for (const [i, numbers] of triples.entries())
    for (const [j, number] of numbers.entries()) writeNumber(control, TRIPLE_BYTES * i + 8 * j, number);
  const [packedControl, packedDifferences, packedExtra] = [control, differences, extra].map(bzip) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return writeParts({
    newBytes: fresh.length,
    control: packedControl,
    differences: packedDifferences,
    extra: packedExtra,
  });
}

type Numbers = [copied: number, inserted: number, move: number];

/** A patch begins at the start of both images: an alignment that does not gets an empty copy there. No bytes, no triples. */
function split(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]) {
  const [first] = copies;
  const atStart = fresh.length === 0 || (first?.newStart === 0 && first.oldStart === 0);
  const all = atStart ? copies : [{ newStart: 0, oldStart: 0, length: 0 }, ...copies];
  const differences = new Uint8Array(copies.reduce((sum, { length }) => sum + length, 0));
  const extra = new Uint8Array(fresh.length - differences.length);
  const triples: Numbers[] = [];
  let differencesAt = 0;
  let extraAt = 0;
  for (const [i, { newStart, oldStart, length }] of all.entries()) {
    for (let j = 0; j < length; j++) differences[differencesAt++] = fresh[newStart + j]! - old[oldStart + j]!;
    const [newEnd, oldEnd] = [newStart + length, oldStart + length];
    const next = all[i + 1] ?? { newStart: fresh.length, oldStart: oldEnd };
    extra.set(fresh.subarray(newEnd, next.newStart), extraAt);
    extraAt += next.newStart - newEnd;
    triples.push([length, next.newStart - newEnd, next.oldStart - oldEnd]);
  }
  return { triples, differences, extra };
}
