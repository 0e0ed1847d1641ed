/**
 * The SUIT envelope with exactly two signatures in role order: block 1 by the collection server, block 2 by the
 * distribution server, both over the same SUIT_Digest. Block 1 links the release chain (-65538); block 2 binds block 1
 * and the head under which it was confirmed (-65537). Nothing unsigned that matters, no other keys.
 */
import { demand } from '../errors.ts';
import { equal } from './bytes.ts';
import { decode, encode, Tagged, type Value } from './cbor.ts';
import {
  decodeSign1,
  encodeSign1,
  HEADER_ALG,
  HEADER_KID,
  kidOf,
  makeSign1,
  publicKeyOf,
  readSigned,
  type Sign1,
  type Signer,
} from './cose.ts';
import { HASH_BYTES, leafHash, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asExactMap, asTagged, asUint, sameBytes, unwrap } from './shape.ts';
import { digestBytes, MANIFEST_BYTES_MAX, manifestDigest } from './suit.ts';

export const TAG_ENVELOPE = 107;
/** Protected in block 2: bstr [leaf hash of block 1, tree size, root] of the head that the signer verified. */
export const HEADER_CONFIRMED = -65537;
/** Protected in block 1: leaf hash of the product's latest confirmed release, 32 zero bytes for the first. */
export const HEADER_PREVIOUS = -65538;
/** Manifest, two blocks of under 200 bytes, wrapping. */
export const ENVELOPE_BYTES_MAX = MANIFEST_BYTES_MAX + 512;
export const NO_LEAF = new Uint8Array(HASH_BYTES);

export interface Block1 {
  alg: number;
  kid: Uint8Array;
  previousLeaf: Uint8Array;
  /** The ledger's leaf: block 1 with payload attached and empty unprotected map. */
  leaf: Uint8Array;
  sign1: Sign1;
}

export interface Block2 {
  alg: number;
  kid: Uint8Array;
  releaseLeaf: Uint8Array;
  size: number;
  root: Uint8Array;
  /** The tagged bytes as they stand in the envelope; rollout statements name their SHA-256. */
  bytes: Uint8Array;
  sign1: Sign1;
}

export interface Envelope {
  manifest: Uint8Array;
  manifestDigest: Uint8Array;
  /** What both blocks sign, 36 bytes. */
  suitDigest: Uint8Array;
  block1: Block1;
  block2: Block2;
}

/** Signs a manifest as the collection server does; the result is the ledger leaf. */
export async function signBlock1(
  sha256: Sha256,
  manifest: Uint8Array,
  previousLeaf: Uint8Array,
  signer: Signer,
): Promise<Uint8Array> {
  const header = blockHeader(sha256, signer, HEADER_PREVIOUS, previousLeaf);
  return encodeSign1(await makeSign1(signer, header, suitDigestOf(sha256, manifest)));
}

/** Signs as the distribution server does, after it verified the receipt under the head named here. */
export async function signBlock2(
  sha256: Sha256,
  manifest: Uint8Array,
  confirmed: { releaseLeaf: Uint8Array; size: number; root: Uint8Array },
  signer: Signer,
): Promise<Uint8Array> {
  const tuple = encode([confirmed.releaseLeaf, confirmed.size, confirmed.root]);
  const header = blockHeader(sha256, signer, HEADER_CONFIRMED, tuple);
  return encodeSign1(await makeSign1(signer, header, suitDigestOf(sha256, manifest), { detached: true }));
}

function blockHeader(sha256: Sha256, signer: Signer, label: number, value: Uint8Array): Map<number, Value> {
  return new Map<number, Value>([
    [HEADER_ALG, signer.alg],
    [HEADER_KID, kidOf(sha256, publicKeyOf(signer))],
    [label, value],
  ]);
}

function suitDigestOf(sha256: Sha256, manifest: Uint8Array): Uint8Array {
  return digestBytes(manifestDigest(sha256, manifest));
}

/** @param leaf block 1 as the ledger stores it; @param block2 as {@link signBlock2} made it */
export function encodeEnvelope(sha256: Sha256, manifest: Uint8Array, leaf: Uint8Array, block2: Uint8Array): Uint8Array {
  const block1 = encodeSign1({ ...decodeSign1(leaf), payload: null });
  const wrapper = encode([suitDigestOf(sha256, manifest), block1, block2]);
  return encode(
    new Tagged(
      TAG_ENVELOPE,
      new Map<number, Value>([
        [2, wrapper],
        [3, manifest],
      ]),
    ),
  );
}

/**
 * Reads the exact shape; no signature is checked yet, and the manifest's inside is not touched.
 * @throws Refusal MALFORMED, TOO_LARGE
 */
export function readEnvelope(sha256: Sha256, bytes: Uint8Array): Envelope {
  demand(bytes.length <= ENVELOPE_BYTES_MAX, 'TOO_LARGE', `the envelope has ${bytes.length} bytes`);
  const map = asExactMap(asTagged(decode(bytes), 'envelope', TAG_ENVELOPE), 'envelope', [2, 3]);
  const manifest = asBytes(map.get(3), 'manifest');
  const [digest, first, second] = asArray(unwrap(map.get(2), 'authentication'), 'authentication', 3);
  const suitDigest = asBytes(digest, 'SUIT_Digest');
  sameBytes(suitDigestOf(sha256, manifest), suitDigest, 'SUIT_Digest');
  const block1 = asBytes(first, 'block 1');
  const sign1 = decodeSign1(block1);
  demand(sign1.payload === null, 'MALFORMED', 'block 1: the payload is not detached');
  const leaf = encodeSign1({ ...sign1, payload: suitDigest });
  return {
    manifest,
    manifestDigest: manifestDigest(sha256, manifest),
    suitDigest,
    block1: readBlock1(leaf),
    block2: readBlock2(asBytes(second, 'block 2')),
  };
}

/** Reads a release leaf. @throws Refusal MALFORMED */
export function readBlock1(leaf: Uint8Array): Block1 {
  const sign1 = decodeSign1(leaf);
  const { alg, kid } = readSigned(sign1, [HEADER_ALG, HEADER_KID, HEADER_PREVIOUS], 'block 1');
  demand(sign1.unprotected.size === 0, 'MALFORMED', 'block 1: the unprotected header is not empty');
  demand(sign1.payload?.length === 36, 'MALFORMED', 'block 1: the payload is not a SUIT_Digest');
  sameBytes(encodeSign1({ ...sign1, protectedBytes: encode(sign1.protected) }), leaf, 'block 1');
  return {
    alg,
    kid,
    previousLeaf: asBytes(sign1.protected.get(HEADER_PREVIOUS), 'previous leaf', HASH_BYTES),
    leaf,
    sign1,
  };
}

/** @throws Refusal MALFORMED */
export function readBlock2(bytes: Uint8Array): Block2 {
  const sign1 = decodeSign1(bytes);
  const { alg, kid } = readSigned(sign1, [HEADER_ALG, HEADER_KID, HEADER_CONFIRMED], 'block 2');
  demand(
    sign1.unprotected.size === 0 && sign1.payload === null,
    'MALFORMED',
    'block 2: header or payload out of place',
  );
  const tuple = unwrap(sign1.protected.get(HEADER_CONFIRMED), 'confirmation');
  const [releaseLeaf, size, root] = asArray(tuple, 'confirmation', 3);
  return {
    alg,
    kid,
    releaseLeaf: asBytes(releaseLeaf, 'release leaf', HASH_BYTES),
    size: asUint(size, 'tree size'),
    root: asBytes(root, 'root', HASH_BYTES),
    bytes,
    sign1,
  };
}

export function releaseLeafHash(sha256: Sha256, block1: Block1): Uint8Array {
  return leafHash(sha256, block1.leaf);
}

/** True when a leaf carries this manifest. */
export function leafIsOf(sha256: Sha256, block1: Block1, manifest: Uint8Array): boolean {
  return equal(block1.sign1.payload!, suitDigestOf(sha256, manifest));
}
