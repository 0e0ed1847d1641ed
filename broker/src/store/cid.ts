/**
 * The content id of an image: CIDv1 with codec raw and multihash sha2-256, in base32 ("bafkrei...").
 *
 * Up to 262,144 bytes it is what IPFS gives a file added with raw leaves and chunks of 256 KiB, since such a file is
 * one block. For larger content it is the raw CID of the whole content, which names the same bytes but is not the root
 * of the tree that IPFS would build from chunks.
 */

import { HASH_BYTES } from '@countersign/device-sdk/format';

/** CID version 1, codec raw (0x55), multihash sha2-256 (0x12) of 32 bytes. */
const PREFIX = [0x01, 0x55, 0x12, HASH_BYTES];
/** RFC 4648 section 6 in lower case; the multibase prefix of it is `b`. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** @param digest SHA-256 of the content. @example cidOf(sha256(image)) // 'bafkrei…', 59 characters */
export function cidOf(digest: Uint8Array): string {
  if (digest.length !== HASH_BYTES) throw new RangeError(`a SHA-256 has ${HASH_BYTES} bytes, got ${digest.length}`);
  return `b${base32([...PREFIX, ...digest])}`;
}

function base32(bytes: readonly number[]): string {
  let text = '';
  let bits = 0;
  let kept = 0;
  for (const byte of bytes) {
    kept = ((kept << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(kept >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(kept << (5 - bits)) & 31];
}
