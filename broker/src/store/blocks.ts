/** Blocks of IPFS: bytes under a CID. Everything here is checked against its CID before anybody sees it. */
import { demand, Refusal } from '@countersign/device-sdk';
import { equal, HASH_BYTES, type Sha256 } from '@countersign/device-sdk/format';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import type { BlobStore } from './blobs.ts';

export const CODEC_RAW = 0x55;
export const CODEC_DAG_PB = 0x70;
const SHA2_256 = 0x12;
/** What IPFS nodes exchange at most; a larger block would reach nobody. */
export const BLOCK_BYTES_MAX = 2 * 1024 * 1024;
/** A CIDv1 in base32 has 59 characters; in base16 73. */
const CID_CHARS_MAX = 120;

export interface Block {
  cid: CID;
  bytes: Uint8Array;
}

export type { CID };

/** @throws Refusal BAD_REQUEST for what is no CID, UNSUPPORTED for another codec or hash than IPFS files have */
export function readCid(text: string): CID {
  demand(text.length <= CID_CHARS_MAX, 'BAD_REQUEST', `${text.slice(0, 20)}… is too long for a CID`);
  let cid: CID;
  try {
    cid = CID.parse(text);
  } catch (cause) {
    throw new Refusal('BAD_REQUEST', `${text} is not a CID`, { cause });
  }
  return checkKind(cid);
}

/** @throws Refusal UNSUPPORTED */
export function checkKind(cid: CID): CID {
  const known = cid.code === CODEC_RAW || cid.code === CODEC_DAG_PB;
  demand(known, 'UNSUPPORTED', `${cid}: codec 0x${cid.code.toString(16)}; files have raw and dag-pb`);
  const { code, digest } = cid.multihash;
  const hashed = code === SHA2_256 && digest.length === HASH_BYTES;
  demand(hashed, 'UNSUPPORTED', `${cid}: hash 0x${code.toString(16)}, expected sha2-256`);
  return cid;
}

export function cidOfDigest(codec: number, digest: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA2_256, digest));
}

/** @param digest SHA-256 of the bytes, if it is known already */
export function blockOf(sha256: Sha256, codec: number, bytes: Uint8Array): Block {
  return { cid: cidOfDigest(codec, sha256(bytes)), bytes };
}

/** @throws Refusal BAD_STORE where the bytes are others, TOO_LARGE for a block that no IPFS node would take */
export function checkBlock(sha256: Sha256, cid: CID, bytes: Uint8Array): Uint8Array {
  checkKind(cid);
  demand(bytes.length <= BLOCK_BYTES_MAX, 'TOO_LARGE', `block ${cid} has ${bytes.length} bytes`);
  demand(equal(sha256(bytes), cid.multihash.digest), 'BAD_STORE', `other bytes came for block ${cid}`);
  return bytes;
}

/** Where blocks come from. @throws Refusal NOT_FOUND */
export type GetBlock = (cid: CID) => Promise<Uint8Array>;

/** The blocks of our own store: a block is a blob under the digest in its CID. */
export function storedBlocks(blobs: Pick<BlobStore, 'blob'>): GetBlock {
  return async (cid) => {
    const bytes = await blobs.blob(checkKind(cid).multihash.digest);
    // A whole image lies under its digest, too; as a block of IPFS it would be too large for everybody.
    demand(bytes.length <= BLOCK_BYTES_MAX, 'NOT_FOUND', `${cid} is no block: ${bytes.length} bytes`);
    return bytes;
  };
}
