/** A patch of bsdiff, its three streams opened and its triples walked under the checks of our reader. */
import { readWhole } from '../bsdiff40/apply.ts';
import { readParts } from '../bsdiff40/header.ts';
import { APPLY_BYTES } from '../bsdiff40/index.ts';
import { readTriples } from '../bsdiff40/triples.ts';
import { BzipReader } from '../bzip2/reader.ts';

export interface Bsdiff40Info {
  kind: 'bsdiff40';
  deltaBytes: number;
  newBytes: number;
  /** The old image has at least this size: the furthest byte a copy reads. */
  oldBytesMin: number;
  /** Compressed bytes; together with a header of 32 deltaBytes. */
  spent: { header: number; control: number; differences: number; extra: number };
  triples: number;
  copiedBytes: number;
  /** Copied bytes that are not the old ones. */
  differingBytes: number;
  insertedBytes: number;
  workspaceBytes: number;
}

const PIECE_BYTES = 65_536;

/** @throws Refusal BAD_DELTA, TOO_LARGE, WRONG_BASE (the given old image is too short) */
export function bsdiff40Info(patch: Uint8Array, old?: Uint8Array): Bsdiff40Info {
  const { newBytes, control, differences, extra } = readParts(patch);
  const found = { triples: 0, copiedBytes: 0, insertedBytes: 0, oldBytesMin: 0 };
  for (const { oldStart, copied, inserted } of readTriples(control, newBytes, old?.length ?? Number.MAX_SAFE_INTEGER)) {
    found.triples++;
    found.copiedBytes += copied;
    found.insertedBytes += inserted;
    if (copied > 0) found.oldBytesMin = Math.max(found.oldBytesMin, oldStart + copied);
  }
  const differingBytes = notZero(differences, found.copiedBytes);
  notZero(extra, found.insertedBytes);
  const streams = { control: control.length, differences: differences.length, extra: extra.length };
  const header = patch.length - streams.control - streams.differences - streams.extra;
  const sizes = { deltaBytes: patch.length, newBytes, ...found, differingBytes, workspaceBytes: APPLY_BYTES };
  return { kind: 'bsdiff40', ...sizes, spent: { header, ...streams } };
}

/** Reads a stream to its end, which must come after so many bytes. */
function notZero(stream: Uint8Array, bytes: number): number {
  const reader = new BzipReader(stream);
  const piece = new Uint8Array(PIECE_BYTES);
  let found = 0;
  for (let left = bytes; left > 0; ) {
    const asked = piece.subarray(0, Math.min(left, PIECE_BYTES));
    readWhole(reader, asked);
    for (const byte of asked) if (byte !== 0) found++;
    left -= asked.length;
  }
  reader.finish();
  return found;
}
