/**
 * The ledger's head: one signature that proves inclusion, currency and agreement. A COSE_Sign1 with the Merkle root as
 * detached payload; with an inclusion proof beside it in the unprotected map it is an RFC 9942 receipt. A peer's
 * cosignature is the same statement by the peer's key.
 */
import { demand } from '../errors.ts';
import { concat } from './bytes.ts';
import { type CborMap, decode, encode, type Value } from './cbor.ts';
import {
  encodeSign1,
  HEADER_ALG,
  HEADER_KID,
  HEADER_TYP,
  kidOf,
  makeSign1,
  publicKeyOf,
  readSign1,
  readSigned,
  type Sign1,
  type Signer,
} from './cose.ts';
import { HASH_BYTES, PATH_MAX, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asExactMap, asText, asUint, sameBytes, unwrap } from './shape.ts';
import { typOf } from './statement.ts';

export const HEADER_VDS = 395;
export const HEADER_VDP = 396;
/** The protected head tuple (private label). */
export const HEADER_HEAD = -65539;
/** RFC 9942: verifiable data structure 1 is RFC9162_SHA256. */
export const VDS_RFC9162 = 1;
const VDP_INCLUSION = -1;
const LABELS = [HEADER_ALG, HEADER_KID, HEADER_TYP, HEADER_VDS, HEADER_HEAD];

/** Protected tuple with an origin of 64 characters, and one signature. */
export const HEAD_BYTES_MAX = 512;
/** A head and a path of {@link PATH_MAX} hashes. */
export const RECEIPT_BYTES_MAX = HEAD_BYTES_MAX + 2048;

/** What a head asserts; all of it under the signature, together with the Merkle root. */
export interface HeadFields {
  origin: string;
  /** Number of leaves. */
  size: number;
  indexRoot: Uint8Array;
  /** Seconds since the Unix epoch. */
  time: number;
  rootVersion: number;
}

export interface Head extends HeadFields {
  root: Uint8Array;
}

/** A head's signature and fields, before the root is known. */
export interface SignedHead {
  fields: HeadFields;
  alg: number;
  kid: Uint8Array;
  sign1: Sign1;
}

export interface Receipt {
  signed: SignedHead;
  leafIndex: number;
  path: Uint8Array[];
}

/** A peer's signature over the same tuple and root, as an announcement carries it. */
export interface Cosignature {
  kid: Uint8Array;
  alg: number;
  signature: Uint8Array;
}

export async function signHead(sha256: Sha256, head: Head, signer: Signer): Promise<Uint8Array> {
  const protectedMap = headProtected(head, signer.alg, kidOf(sha256, publicKeyOf(signer)));
  return encodeSign1(await makeSign1(signer, protectedMap, head.root, { detached: true }));
}

/** The protected map that ledger and peers sign: only alg and kid differ between them. */
export function headProtected(fields: HeadFields, alg: number, kid: Uint8Array): CborMap {
  return new Map<number, Value>([
    [HEADER_ALG, alg],
    [HEADER_KID, kid],
    [HEADER_TYP, typOf('head')],
    [HEADER_VDS, VDS_RFC9162],
    [HEADER_HEAD, encode([fields.origin, fields.size, fields.indexRoot, fields.time, fields.rootVersion])],
  ]);
}

/** The bare head, without a path. @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE */
export function readHead(bytes: Uint8Array): SignedHead {
  demand(bytes.length <= HEAD_BYTES_MAX, 'TOO_LARGE', `the head has ${bytes.length} bytes`);
  const signed = readSignedHead(readSign1(decode(bytes)));
  demand(signed.sign1.unprotected.size === 0, 'MALFORMED', 'head: the unprotected header is not empty');
  return signed;
}

/** @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE, NO_RECEIPT when the proof speaks of another size than the head */
export function readReceipt(bytes: Uint8Array): Receipt {
  demand(bytes.length <= RECEIPT_BYTES_MAX, 'TOO_LARGE', `the receipt has ${bytes.length} bytes`);
  const signed = readSignedHead(readSign1(decode(bytes)));
  const unprotected = asExactMap(signed.sign1.unprotected, 'receipt unprotected header', [HEADER_VDP]);
  const proofs = asExactMap(unprotected.get(HEADER_VDP), 'receipt proofs', [VDP_INCLUSION]);
  const [proof] = asArray(proofs.get(VDP_INCLUSION), 'inclusion proofs', 1);
  const [size, index, path] = asArray(unwrap(proof, 'inclusion proof'), 'inclusion proof', 3);
  // The plain receipt signature does not cover the size: a broker could lock a device out with a huge one.
  demand(size === signed.fields.size, 'NO_RECEIPT', 'the proof is for another tree size than the signed head');
  return { signed, leafIndex: asUint(index, 'leaf index'), path: readPath(path) };
}

/** Turns a signed head and an inclusion proof into a receipt. */
export function encodeReceipt(head: SignedHead, leafIndex: number, path: readonly Uint8Array[]): Uint8Array {
  const inclusion = encode([head.fields.size, leafIndex, [...path]]);
  const unprotected = new Map<number, Value>([[HEADER_VDP, new Map<number, Value>([[VDP_INCLUSION, [inclusion]]])]]);
  return encodeSign1({ ...head.sign1, unprotected });
}

function readSignedHead(sign1: Sign1): SignedHead {
  const { alg, kid } = readSigned(sign1, LABELS, 'head');
  demand(sign1.protected.get(HEADER_TYP) === typOf('head'), 'WRONG_TYPE', 'this is not a head');
  demand(sign1.protected.get(HEADER_VDS) === VDS_RFC9162, 'UNSUPPORTED', 'the log is not an RFC 9162 tree');
  demand(sign1.payload === null, 'MALFORMED', 'head: the root is not detached');
  const tuple = unwrap(sign1.protected.get(HEADER_HEAD), 'head tuple');
  const [origin, size, indexRoot, time, rootVersion] = asArray(tuple, 'head tuple', 5);
  const fields = {
    origin: asText(origin, 'origin'),
    size: asUint(size, 'tree size'),
    indexRoot: asBytes(indexRoot, 'index root', HASH_BYTES),
    time: asUint(time, 'head time'),
    rootVersion: asUint(rootVersion, 'trust root version'),
  };
  sameBytes(encode(headProtected(fields, alg, kid)), sign1.protectedBytes, 'head');
  return { fields, alg, kid, sign1 };
}

export function readPath(value: Value | undefined): Uint8Array[] {
  const path = asArray(value, 'Merkle path');
  demand(path.length <= PATH_MAX, 'MALFORMED', `a Merkle path has ${path.length} hashes`);
  return path.map((hash) => asBytes(hash, 'path hash', HASH_BYTES));
}

/** Names one head among all: SHA-256 of its protected bytes followed by its root. */
export function headDigest(sha256: Sha256, signed: SignedHead, root: Uint8Array): Uint8Array {
  return sha256(concat(signed.sign1.protectedBytes, root));
}
