import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { demand } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { DeltaDecoder, type DeltaHeader, IMAGE_BYTES_MAX, readWholeHeader } from '@countersign/device-sdk/delta';
import { readFully, writeFully, writeWhole } from './whole-file.ts';

/** Pieces in which files are hashed. */
const PIECE_BYTES = 65_536;

/**
 * Applies a container from file to file. Memory is the decoder's workspace and one piece, whatever the sizes: a
 * container of a few bytes may claim a gigabyte of output. The result takes its name when its digest is right.
 * @param sha256 that the image must have, where the caller knows it; the container itself carries the first 8 bytes
 * @throws Refusal WRONG_BASE, RESULT_MISMATCH, BAD_DELTA, UNSUPPORTED
 */
export function applyFile(
  oldPath: string,
  container: Uint8Array,
  newPath: string,
  sha256?: string,
): { newBytes: number; sha256: string; workspaceBytes: number } {
  const header = readWholeHeader(container);
  const old = openSync(oldPath, 'r');
  try {
    const oldBytes = header.kind === 'full' ? 0 : checkOld(old, header);
    const digest = writeWhole(newPath, (file) => {
      const written = decodeTo(file, old, oldBytes, container, header);
      demand(sha256 === undefined || sha256 === written, 'RESULT_MISMATCH', `the result has the digest ${written}`);
      return written;
    });
    return { newBytes: header.newBytes, sha256: digest, workspaceBytes: header.workspaceBytes };
  } finally {
    closeSync(old);
  }
}

function checkOld(old: number, header: DeltaHeader): number {
  const { size } = fstatSync(old);
  demand(
    size === header.oldBytes,
    'WRONG_BASE',
    `the old file has ${size} bytes, the delta is from ${header.oldBytes}`,
  );
  demand(
    isTag(header.oldTag, hashFile(old, size)),
    'WRONG_BASE',
    'the old file is another image than the delta is from',
  );
  return size;
}

function hashFile(file: number, bytes: number): Buffer {
  const hash = createHash('sha256');
  const piece = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < bytes; ) {
    const count = readSync(file, piece, 0, Math.min(PIECE_BYTES, bytes - at), at);
    if (count === 0) break;
    hash.update(piece.subarray(0, count));
    at += count;
  }
  return hash.digest();
}

function decodeTo(file: number, old: number, oldBytes: number, container: Uint8Array, header: DeltaHeader): string {
  const decoder = new DeltaDecoder({
    workspace: new Uint8Array(header.workspaceBytes),
    decoders: EVERY_DECODER,
    old: { read: (offset, into) => readFully(old, offset, into) },
    sink: (offset, bytes) => writeFully(file, offset, bytes),
    limits: { oldBytes, newBytes: header.newBytes, slotBytes: IMAGE_BYTES_MAX },
  });
  decoder.push(container);
  decoder.finalize();
  // Read back: what is made from its end comes in an order that no hash takes.
  const digest = hashFile(file, header.newBytes);
  demand(isTag(header.newTag, digest), 'RESULT_MISMATCH', 'the result is not the image the delta names');
  return digest.toString('hex');
}

function isTag(tag: Uint8Array, digest: Uint8Array): boolean {
  return tag.every((byte, i) => byte === digest[i]);
}
