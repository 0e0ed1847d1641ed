/**
 * Run as `node --expose-gc apply-child.js CONTAINER`: applies a container piece by piece and prints what stayed in memory
 * while it did. Neither image is ever held: the old one is computed, the new one is hashed as it comes.
 */

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { DeltaDecoder, IMAGE_BYTES_MAX, readWholeHeader } from '@countersign/device-sdk/delta';
import { oldByte } from './computed-image.ts';

const PIECE_BYTES = 512;
/** Collecting garbage is slow: so many times over the image. */
const LOOKS = 12;

const [path] = process.argv.slice(2);
// What the engine makes of code that it sees for the first time stays, and is not counted.
apply(path!, 65_536);
process.stdout.write(JSON.stringify(apply(path!, Number.POSITIVE_INFINITY)));

/** @param enough bytes of the image after which to stop */
function apply(container: string, enough: number): { most: number; digest: string } {
  const file = openSync(container, 'r');
  const piece = new Uint8Array(PIECE_BYTES);
  readSync(file, piece, 0, PIECE_BYTES, 0);
  const { newBytes, oldBytes, workspaceBytes } = readWholeHeader(piece);
  const workspace = new Uint8Array(workspaceBytes);
  const hash = createHash('sha256');
  const before = inUse();
  let most = 0;
  let next = 0;
  const read = (offset: number, into: Uint8Array): void => {
    for (let i = 0; i < into.length; i++) into[i] = oldByte(offset + i);
  };
  const sink = (offset: number, page: Uint8Array): void => {
    hash.update(page);
    if (offset < next) return;
    next += newBytes / LOOKS;
    most = Math.max(most, inUse() - before);
  };
  const limits = { oldBytes, newBytes, slotBytes: IMAGE_BYTES_MAX };
  const decoder = new DeltaDecoder({ workspace, decoders: EVERY_DECODER, old: { read }, sink, limits });
  for (let at = 0; decoder.outputBytes < enough; ) {
    const count = readSync(file, piece, 0, PIECE_BYTES, at);
    if (count === 0) break;
    decoder.push(piece.subarray(0, count));
    at += count;
  }
  if (enough === Number.POSITIVE_INFINITY) decoder.finalize();
  closeSync(file);
  return { most, digest: hash.digest('hex') };
}

/** Bytes alive: objects, and buffers, which do not lie in the heap. */
function inUse(): number {
  globalThis.gc!();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
