/**
 * A payload as a chain of frames: frame i is up to F payload bytes followed by the SHA-256 of the whole frame i+1; the
 * last has 1 to F bytes and no hash. The signed chain head is the SHA-256 of frame 0, so each frame is proven before a
 * byte of it is decoded, at a cost of 32 bytes a frame.
 */
import { demand } from '../errors.ts';
import { concat, equal } from './bytes.ts';
import { HASH_BYTES, type Sha256 } from './merkle.ts';
import type { MemoryClass, Payload } from './suit.ts';

/** Payload bytes of a full frame by memory class: the window of a few frames must fit the device's RAM. */
export const FRAME_BYTES: Record<MemoryClass, number> = { S: 256, M: 512, L: 1024, XL: 4096, G: 4096 };

/** Cuts a payload into its chain. @throws RangeError for an empty payload */
export function makeFrames(
  sha256: Sha256,
  payload: Uint8Array,
  frameBytes: number,
): { frames: Uint8Array[]; payload: Payload } {
  if (payload.length === 0) throw new RangeError('an empty payload has no frames');
  const frameCount = Math.ceil(payload.length / frameBytes);
  const frames: Uint8Array[] = new Array(frameCount);
  let next: Uint8Array = new Uint8Array();
  for (let i = frameCount - 1; i >= 0; i--) {
    const frame = concat(payload.subarray(i * frameBytes, (i + 1) * frameBytes), next);
    frames[i] = frame;
    next = sha256(frame);
  }
  return { frames, payload: { bytes: payload.length, chainHead: next, frameBytes, frameCount } };
}

/** Bytes of all frames, their hashes included. */
export function framesBytes({ bytes, frameCount }: Payload): number {
  return bytes + HASH_BYTES * (frameCount - 1);
}

/** The exact length of frame `index`, its hash included. */
export function frameLength(p: Payload, index: number): number {
  const last = index === p.frameCount - 1;
  return last ? p.bytes - index * p.frameBytes : p.frameBytes + HASH_BYTES;
}

/**
 * Checks one frame against the hash that the frame before it (or the manifest) named.
 * @returns its payload bytes and the hash of the next frame, which is undefined after the last
 * @throws Refusal BAD_FRAME
 */
export function openFrame(
  sha256: Sha256,
  p: Payload,
  index: number,
  expected: Uint8Array,
  frame: Uint8Array,
): { bytes: Uint8Array; next: Uint8Array | undefined } {
  demand(
    index < p.frameCount && frame.length === frameLength(p, index),
    'BAD_FRAME',
    `frame ${index} has ${frame.length} bytes`,
  );
  demand(equal(sha256(frame), expected), 'BAD_FRAME', `frame ${index} is not the one the chain names`);
  if (index === p.frameCount - 1) return { bytes: frame, next: undefined };
  return { bytes: frame.subarray(0, p.frameBytes), next: frame.slice(p.frameBytes) };
}
