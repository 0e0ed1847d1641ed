import { demand } from '@countersign/device-sdk';
import { BzipReader } from '../bzip2/reader.ts';
import { readParts } from './header.ts';
import { readTriples } from './triples.ts';

/** Bytes patched at a time. */
const PIECE_BYTES = 65_536;
/** Three decompressors of one block each, two pieces: what applying takes beside the patch, whatever the images' sizes. */
export const APPLY_BYTES = 3 * 4 * 900_000 + 2 * PIECE_BYTES;

export interface Bsdiff40Ports {
  oldBytes: number;
  /** Fills `into` from the old image, whole. */
  read(offset: number, into: Uint8Array): void;
  /** Takes the new image in order; the bytes are only lent. */
  write(bytes: Uint8Array): void;
}

/**
 * Applies a patch of bsdiff 4 by whomever made. Every length is checked before it is used, the checksums of the three
 * streams hold and nothing is left over, or it is refused. The format carries no digest of either image: the caller
 * must know which ones they are.
 * @throws Refusal BAD_DELTA, TOO_LARGE, WRONG_BASE (a copy from behind the old image)
 */
export function applyBsdiff40(patch: Uint8Array, ports: Bsdiff40Ports): { newBytes: number } {
  const { newBytes, control, differences, extra } = readParts(patch);
  const differing = new BzipReader(differences);
  const inserting = new BzipReader(extra);
  const piece = new Uint8Array(PIECE_BYTES);
  const patched = new Uint8Array(PIECE_BYTES);
  for (const { oldStart, copied, inserted } of readTriples(control, newBytes, ports.oldBytes)) {
    for (let done = 0; done < copied; done += PIECE_BYTES) {
      const out = patched.subarray(0, Math.min(PIECE_BYTES, copied - done));
      const added = readWhole(differing, piece.subarray(0, out.length));
      ports.read(oldStart + done, out);
      for (let i = 0; i < out.length; i++) out[i] = out[i]! + added[i]!;
      ports.write(out);
    }
    for (let done = 0; done < inserted; done += PIECE_BYTES)
      ports.write(readWhole(inserting, piece.subarray(0, Math.min(PIECE_BYTES, inserted - done))));
  }
  differing.finish();
  inserting.finish();
  return { newBytes };
}

/** @throws Refusal BAD_DELTA for a stream that is too short */
export function readWhole(reader: BzipReader, into: Uint8Array): Uint8Array {
  demand(reader.read(into) === into.length, 'BAD_DELTA', 'a stream of the patch ends before the image does');
  return into;
}
