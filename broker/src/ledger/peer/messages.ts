/**
 * What an orderer and its peers tell each other, in CBOR: blocks as they are stored, and heads with their cosignatures.
 * Everything in it proves itself; nothing is trusted because of who sent it.
 */
import { demand } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  asUint,
  type Cosignature,
  decode,
  encode,
  HASH_BYTES,
  readCosignatures,
  type Value,
} from '@countersign/device-sdk/format';
import { STORED_BLOCK_BYTES_MAX } from '../log/block.ts';

const VERSION = 1;
/** Blocks of one answer: 4 MB, as much as 1,000 entries may be elsewhere; one block is always given. */
export const BLOCKS_BYTES_MAX = 4 * 1024 * 1024;
/** Blocks of one entry each: an answer is made and checked in a fraction of a second. */
export const BLOCKS_MAX = 1_024;
/** The blocks, a last one that went over the limit, and three heads. */
export const BLOCKS_ANSWER_BYTES_MAX = BLOCKS_BYTES_MAX + STORED_BLOCK_BYTES_MAX + 64 * 1024;

/** A signed head, its detached root, and the peers' signatures over both. */
export interface CosignedHead {
  signed: Uint8Array;
  root: Uint8Array;
  cosignatures: Cosignature[];
}

/** The answer to "which blocks are there from number n on, and which heads?" */
export interface BlocksAnswer {
  /** Another one means that a head has moved. To be given back with the next question. */
  mark: number;
  blocks: Uint8Array[];
  /** The newest head file. */
  newest: Uint8Array;
  /** The head that peers are asked to sign now, with the signatures it has; null while there is none. */
  wanted: CosignedHead | null;
  /** The newest head with a quorum. */
  published: CosignedHead | null;
}

export function encodeCosignedHead(head: CosignedHead): Uint8Array {
  return encode([VERSION, cosignedValue(head)]);
}

/** @throws Refusal MALFORMED, UNSUPPORTED */
export function readCosignedHead(bytes: Uint8Array): CosignedHead {
  const [version, head] = asArray(decode(bytes), 'cosigned head', 2);
  demand(version === VERSION, 'UNSUPPORTED', `cosigned head version ${String(version)}`);
  return readCosignedValue(head);
}

export function encodeBlocksAnswer({ mark, blocks, newest, wanted, published }: BlocksAnswer): Uint8Array {
  const orNull = (head: CosignedHead | null) => (head ? cosignedValue(head) : null);
  return encode([VERSION, mark, [...blocks], newest, orNull(wanted), orNull(published)]);
}

/** Shape only. @throws Refusal MALFORMED, UNSUPPORTED, TOO_LARGE */
export function readBlocksAnswer(bytes: Uint8Array): BlocksAnswer {
  const [version, mark, blocks, newest, wanted, published] = asArray(decode(bytes), 'blocks answer', 6);
  demand(version === VERSION, 'UNSUPPORTED', `blocks answer version ${String(version)}`);
  const list = asArray(blocks, 'blocks').map((item) => asBytes(item, 'block'));
  demand(list.length <= BLOCKS_MAX, 'TOO_LARGE', `${list.length} blocks in one answer`);
  return {
    mark: asUint(mark, 'mark'),
    blocks: list,
    newest: asBytes(newest, 'newest head'),
    wanted: wanted === null ? null : readCosignedValue(wanted),
    published: published === null ? null : readCosignedValue(published),
  };
}

function cosignedValue({ signed, root, cosignatures }: CosignedHead): Value {
  return [signed, root, cosignatures.map((item): Value => [item.kid, item.alg, item.signature])];
}

function readCosignedValue(value: Value | undefined): CosignedHead {
  const [signed, root, cosignatures] = asArray(value, 'cosigned head', 3);
  return {
    signed: asBytes(signed, 'signed head'),
    root: asBytes(root, 'root', HASH_BYTES),
    cosignatures: readCosignatures(cosignatures),
  };
}
