/** A payload at rest: its description and its frames one after another, as they also travel over HTTP. */
import { demand, Refusal } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  asUint,
  decode,
  encode,
  equal,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  frameLength,
  HASH_BYTES,
  hex,
  openFrame,
  type Payload,
  type Sha256,
} from '@countersign/device-sdk/format';

/** @throws Refusal BAD_FRAME when the frames are not the chain that the payload names */
export function encodePayloadFile(sha256: Sha256, payload: Payload, frames: readonly Uint8Array[]): Uint8Array {
  checkChain(sha256, payload, frames);
  const { bytes, chainHead, frameBytes, frameCount } = payload;
  return encode([1, bytes, chainHead, frameBytes, frameCount, Buffer.concat(frames)]);
}

/** The description and the frames' bytes; the chain is not checked yet. @throws Refusal BAD_FRAME */
export function readPayloadFile(file: Uint8Array): { payload: Payload; body: Uint8Array } {
  try {
    const [version, bytes, chainHead, frameBytes, frameCount, body] = asArray(decode(file), 'payload file', 6);
    demand(version === 1, 'BAD_FRAME', `payload file version ${String(version)}, expected 1`);
    const payload = {
      bytes: asUint(bytes, 'payload size'),
      chainHead: asBytes(chainHead, 'chain head', HASH_BYTES),
      frameBytes: asUint(frameBytes, 'frame size', FRAME_BYTES_MAX),
      frameCount: asUint(frameCount, 'frame count'),
    };
    return { payload, body: asBytes(body, 'frames', bodyLength(payload)) };
  } catch (cause) {
    throw new Refusal('BAD_FRAME', 'a stored payload is damaged', { cause });
  }
}

/**
 * Cuts bytes from a store or the network into the frames of `payload`, each checked against the chain.
 * @throws Refusal BAD_FRAME
 */
export function cutFrames(sha256: Sha256, payload: Payload, body: Uint8Array): Uint8Array[] {
  const length = bodyLength(payload);
  demand(body.length === length, 'BAD_FRAME', `${body.length} bytes of frames, expected ${length}`);
  const frames: Uint8Array[] = [];
  for (let at = 0, i = 0; i < payload.frameCount; i++) {
    const next = at + frameLength(payload, i);
    frames.push(body.subarray(at, next));
    at = next;
  }
  checkChain(sha256, payload, frames);
  return frames;
}

/** Bytes of all frames together, hashes included. @throws Refusal BAD_FRAME for a description that fits no payload */
export function bodyLength({ bytes, frameBytes, frameCount }: Payload): number {
  const whole = bytes > 0 && frameBytes >= FRAME_BYTES_MIN && frameCount === Math.ceil(bytes / frameBytes);
  demand(whole, 'BAD_FRAME', `${bytes} bytes do not make ${frameCount} frames of ${frameBytes}`);
  return bytes + HASH_BYTES * (frameCount - 1);
}

/** Whether both describe the same payload. */
export function samePayload(a: Payload, b: Payload): boolean {
  const sizes = a.bytes === b.bytes && a.frameBytes === b.frameBytes && a.frameCount === b.frameCount;
  return sizes && equal(a.chainHead, b.chainHead);
}

function checkChain(sha256: Sha256, payload: Payload, frames: readonly Uint8Array[]): void {
  bodyLength(payload);
  demand(frames.length === payload.frameCount, 'BAD_FRAME', `${frames.length} frames of ${payload.frameCount}`);
  let expected: Uint8Array | undefined = payload.chainHead;
  for (const [i, frame] of frames.entries()) {
    demand(expected, 'BAD_FRAME', `${hex(payload.chainHead)} ends before frame ${i}`);
    expected = openFrame(sha256, payload, i, expected, frame).next;
  }
}
