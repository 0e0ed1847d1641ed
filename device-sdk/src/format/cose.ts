/** COSE_Sign1 and COSE_Key (RFC 9052, RFC 9053, RFC 9864), the small strict subset that our formats use. */
import { demand, Refusal } from '../errors.ts';
import { concat } from './bytes.ts';
import { type CborMap, decode, encode, Tagged, type Value } from './cbor.ts';
import { withLowS } from './low-s.ts';
import type { Sha256 } from './merkle.ts';
import { asArray, asBytes, asInt, asMap, asTagged, shownKeys } from './shape.ts';

/** Ed25519, fully specified (RFC 9864). */
export const ALG_ED25519 = -19;
/** ECDSA on P-256 with SHA-256, fully specified (RFC 9864). */
export const ALG_ESP256 = -9;

export const HEADER_ALG = 1;
export const HEADER_KID = 4;
export const HEADER_TYP = 16;
export const TAG_SIGN1 = 18;
export const KID_BYTES = 8;
export const SIGNATURE_BYTES = 64;

/**
 * A public key with the one algorithm it may be used with. 32 bytes for Ed25519, 65 (04 || x || y) for ESP256, 130 for
 * an implicit key of ESP256: see implicit.ts.
 */
export interface PublicKey {
  alg: number;
  bytes: Uint8Array;
}

/** Anything that signs. {@link KeyStore} and every server key are one. */
export interface Signer {
  readonly alg: number;
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

export interface Sign1 {
  /** The protected bytes exactly as received: they are what was signed. */
  protectedBytes: Uint8Array;
  protected: CborMap;
  unprotected: CborMap;
  /** null where the payload is detached. */
  payload: Uint8Array | null;
  signature: Uint8Array;
}

/** Reads a tagged COSE_Sign1. @throws Refusal MALFORMED */
export function readSign1(value: Value): Sign1 {
  const [protectedBytes, unprotected, payload, signature] = asArray(
    asTagged(value, 'COSE_Sign1', TAG_SIGN1),
    'COSE_Sign1',
    4,
  );
  const bytes = asBytes(protectedBytes, 'protected header');
  return {
    protectedBytes: bytes,
    protected: bytes.length === 0 ? new Map() : asMap(decode(bytes), 'protected header'),
    unprotected: asMap(unprotected, 'unprotected header'),
    payload: payload === null ? null : asBytes(payload, 'payload'),
    signature: asBytes(signature, 'signature'),
  };
}

export function decodeSign1(bytes: Uint8Array): Sign1 {
  return readSign1(decode(bytes));
}

function sign1Value(s: Sign1): Tagged {
  return new Tagged(TAG_SIGN1, [s.protectedBytes, s.unprotected, s.payload, s.signature]);
}

export function encodeSign1(s: Sign1): Uint8Array {
  return encode(sign1Value(s));
}

/** The bytes that are signed (RFC 9052 section 4.4). An empty protected map counts as zero bytes. */
export function toBeSigned(protectedBytes: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  const empty = protectedBytes.length === 1 && protectedBytes[0] === 0xa0;
  return encode(['Signature1', empty ? new Uint8Array() : protectedBytes, externalAad, payload]);
}

export async function makeSign1(
  signer: Signer,
  protectedMap: CborMap,
  payload: Uint8Array,
  options: { externalAad?: Uint8Array; detached?: boolean } = {},
): Promise<Sign1> {
  const protectedBytes = encode(protectedMap);
  const message = toBeSigned(protectedBytes, options.externalAad ?? new Uint8Array(), payload);
  const { alg } = signer; // before the wait: a server's key may be exchanged meanwhile
  const made = await signer.sign(message);
  const signature = alg === ALG_ESP256 ? withLowS(made) : made;
  return {
    protectedBytes,
    protected: protectedMap,
    unprotected: new Map(),
    payload: options.detached ? null : payload,
    signature,
  };
}

/** The COSE_Key map of a public key, required members only (RFC 9679 section 3). */
export function coseKey(key: PublicKey): CborMap {
  if (key.alg === ALG_ED25519) {
    return new Map<number, Value>([
      [1, 1],
      [-1, 6],
      [-2, key.bytes],
    ]);
  }
  if (key.alg === ALG_ESP256 && !isImplicit(key)) {
    return new Map<number, Value>([
      [1, 2],
      [-1, 1],
      [-2, key.bytes.subarray(1, 33)],
      [-3, key.bytes.subarray(33, 65)],
    ]);
  }
  throw new Refusal('UNSUPPORTED', `algorithm ${key.alg} has no key form here`);
}

/** Reads a COSE_Key whose algorithm follows from its curve. @throws Refusal MALFORMED, UNSUPPORTED */
export function readCoseKey(value: Value): PublicKey {
  const map = asMap(value, 'COSE_Key');
  const kind = asInt(map.get(1), 'key type');
  const curve = asInt(map.get(-1), 'curve');
  if (kind === 1 && curve === 6) return { alg: ALG_ED25519, bytes: asBytes(map.get(-2), 'x', 32) };
  if (kind === 2 && curve === 1) {
    const x = asBytes(map.get(-2), 'x', 32);
    const y = asBytes(map.get(-3), 'y', 32);
    return { alg: ALG_ESP256, bytes: concat(Uint8Array.of(4), x, y) };
  }
  throw new Refusal('UNSUPPORTED', `key type ${kind} with curve ${curve} is not used here`);
}

/** Whether a key stands as (thumbprint, point, key of the centre) and is derived by the verifier. */
export function isImplicit(key: PublicKey): boolean {
  return key.alg === ALG_ESP256 && key.bytes.length === 130;
}

/** RFC 9679: SHA-256 of the deterministic COSE_Key. An implicit key begins with its own. */
export function thumbprint(sha256: Sha256, key: PublicKey): Uint8Array {
  if (isImplicit(key)) return key.bytes.slice(0, 32);
  return sha256(encode(coseKey(key)));
}

/** The key id in every header of ours: the first 8 bytes of the thumbprint. A hint for lookup, never a proof. */
export function kidOf(sha256: Sha256, key: PublicKey): Uint8Array {
  return thumbprint(sha256, key).slice(0, KID_BYTES);
}

export function publicKeyOf(signer: Signer): PublicKey {
  return { alg: signer.alg, bytes: signer.publicKey };
}

/** alg and kid of a protected header that must hold exactly `labels`. @throws Refusal MALFORMED */
export function readSigned(s: Sign1, labels: readonly number[], what: string): { alg: number; kid: Uint8Array } {
  const exact = s.protected.size === labels.length && labels.every((label) => s.protected.has(label));
  demand(exact, 'MALFORMED', `${what}: protected header has ${shownKeys(s.protected)}, expected [${labels.join(' ')}]`);
  demand(s.signature.length === SIGNATURE_BYTES, 'MALFORMED', `${what}: signature has ${s.signature.length} bytes`);
  return {
    alg: asInt(s.protected.get(HEADER_ALG), 'alg'),
    kid: asBytes(s.protected.get(HEADER_KID), 'kid', KID_BYTES),
  };
}
