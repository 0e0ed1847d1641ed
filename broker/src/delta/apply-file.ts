import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { DeltaDecoder, type DeltaHeader, IMAGE_BYTES_MAX, readWholeHeader } from '@countersign/device-sdk/delta';
import { TEMPORARY_PREFIX } from '../store/durable.ts';

/** Pieces in which files are hashed. */
const PIECE_BYTES = 65_536;

/**
 * Applies a container from file to file. Memory is the decoder's workspace and one piece, whatever the sizes: a
 * container of a few bytes may claim a gigabyte of output. The result takes its name when its digest is right.
 * @throws Refusal WRONG_BASE, RESULT_MISMATCH, BAD_DELTA, UNSUPPORTED
 */
export function applyFile(
  oldPath: string,
  container: Uint8Array,
  newPath: string,
): { newBytes: number; sha256: string; workspaceBytes: number } {
  const header = readWholeHeader(container);
  const temporary = join(dirname(newPath), `${TEMPORARY_PREFIX}${basename(newPath)}-${randomBytes(6).toString('hex')}`);
  const old = openSync(oldPath, 'r');
  try {
    const oldBytes = header.kind === 'full' ? 0 : checkOld(old, header);
    const sha256 = decodeTo(temporary, old, oldBytes, container, header);
    renameSync(temporary, newPath);
    return { newBytes: header.newBytes, sha256, workspaceBytes: header.workspaceBytes };
  } finally {
    closeSync(old);
    rmSync(temporary, { force: true });
  }
}

function checkOld(old: number, header: DeltaHeader): number {
  const { size } = fstatSync(old);
  demand(
    size === header.oldBytes,
    'WRONG_BASE',
    `the old file has ${size} bytes, the delta is from ${header.oldBytes}`,
  );
  const hash = createHash('sha256');
  const piece = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < size; ) {
    const count = readSync(old, piece, 0, PIECE_BYTES, at);
    if (count === 0) break;
    hash.update(piece.subarray(0, count));
    at += count;
  }
  demand(isTag(header.oldTag, hash.digest()), 'WRONG_BASE', 'the old file is another image than the delta is from');
  return size;
}

function decodeTo(path: string, old: number, oldBytes: number, container: Uint8Array, header: DeltaHeader): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'wx');
  try {
    const decoder = new DeltaDecoder({
      workspace: new Uint8Array(header.workspaceBytes),
      old: { read: (offset, into) => readFully(old, offset, into) },
      sink: (offset, bytes) => {
        hash.update(bytes);
        writeFully(file, offset, bytes);
      },
      limits: { oldBytes, newBytes: header.newBytes, slotBytes: IMAGE_BYTES_MAX },
    });
    decoder.push(container);
    decoder.finalize();
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  const digest = hash.digest();
  demand(isTag(header.newTag, digest), 'RESULT_MISMATCH', 'the result is not the image the delta names');
  return digest.toString('hex');
}

function readFully(file: number, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(file, into, done, into.length - done, offset + done);
    demand(count > 0, 'WRONG_BASE', 'the old file became shorter');
    done += count;
  }
}

function writeFully(file: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
}

function isTag(tag: Uint8Array, digest: Uint8Array): boolean {
  return tag.every((byte, i) => byte === digest[i]);
}
