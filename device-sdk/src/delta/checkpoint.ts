import { demand } from '../errors.ts';
import { HEADER_BYTES_MAX } from './header.ts';

/**
 * A place where decoding can begin again: the coder is fresh there, so three offsets and the header say everything.
 * All pages below `outputOffset`, of a backward delta those from it on, have been handed to the sink before the
 * checkpoint is visible.
 */
export interface Checkpoint {
  /** Offset in the container of the first byte not yet used. */
  streamOffset: number;
  /** Old image offset at which the next copy starts without a seek. */
  oldOffset: number;
  /** Where the new image is done up to, backward: from where on. A multiple of the header's checkpoint interval. */
  outputOffset: number;
  /** The container's raw header, so that nothing before `streamOffset` is fetched again. */
  header: Uint8Array;
}

/** Longest journal record of a checkpoint: three 32-bit numbers, one length byte, the header. */
export const CHECKPOINT_BYTES_MAX = 13 + HEADER_BYTES_MAX;

/** Little-endian stream, old and output offset (4 bytes each), header length (1), header. */
export function encodeCheckpoint(c: Checkpoint): Uint8Array {
  const bytes = new Uint8Array(13 + c.header.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, c.streamOffset, true);
  view.setUint32(4, c.oldOffset, true);
  view.setUint32(8, c.outputOffset, true);
  bytes[12] = c.header.length;
  bytes.set(c.header, 13);
  return bytes;
}

/** @throws Refusal BAD_STATE when the record is cut or too long */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const whole = bytes.length > 13 && bytes.length <= CHECKPOINT_BYTES_MAX && bytes.length === 13 + bytes[12]!;
  demand(whole, 'BAD_STATE', 'checkpoint record of the wrong length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    streamOffset: view.getUint32(0, true),
    oldOffset: view.getUint32(4, true),
    outputOffset: view.getUint32(8, true),
    header: bytes.slice(13),
  };
}
