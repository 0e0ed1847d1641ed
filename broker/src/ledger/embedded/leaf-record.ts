/** Where one leaf stands: fixed 62 bytes in the index. */
import { HASH_BYTES } from '@countersign/device-sdk/format';

export interface LeafRecord {
  hash: Uint8Array;
  block: number;
  /** Seconds since the epoch, of its block. */
  time: number;
  segment: number;
  /** Of the entry's bytes in the block file. */
  offset: number;
  /** 0 for a release leaf: its bytes are in the contract's state. */
  length: number;
}

/** Numbers of 6 bytes count to 2^48: blocks of one a millisecond for 8,900 years. */
const WIDTH = 6;

export function encodeLeaf(leaf: LeafRecord): Uint8Array {
  const bytes = Buffer.alloc(HASH_BYTES + 5 * WIDTH);
  bytes.set(leaf.hash);
  const numbers = [leaf.block, leaf.time, leaf.segment, leaf.offset, leaf.length];
  for (const [i, n] of numbers.entries()) bytes.writeUIntBE(n, HASH_BYTES + i * WIDTH, WIDTH);
  return bytes;
}

export function decodeLeaf(view: Uint8Array): LeafRecord {
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.length);
  const number = (i: number) => bytes.readUIntBE(HASH_BYTES + i * WIDTH, WIDTH);
  return {
    hash: new Uint8Array(bytes.subarray(0, HASH_BYTES)),
    block: number(0),
    time: number(1),
    segment: number(2),
    offset: number(3),
    length: number(4),
  };
}
