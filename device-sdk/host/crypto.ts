import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { ED25519, ESP256 } from '../src/crypto/algorithms.ts';
import { ecqvKeys } from '../src/crypto/ecqv.ts';
import { guardedVerifier } from '../src/crypto/guarded.ts';
import type { Hash, KeyStore, Verifier } from '../src/ports.ts';

/**
 * Imported keys that a verifier keeps. Importing costs as much as verifying, and an imported key costs 1.7 KB, so
 * a fleet of 10,000 devices stays imported and hostile keys cannot grow memory beyond this.
 */
export const IMPORTED_KEYS_MAX = 16_384;

/**
 * Ed25519, ESP256 and SHA-256 by node:crypto, for servers, gateways and simulations.
 *
 * @example
 * const verifier = nodeVerifier();
 * verifier.verify(-19, publicKey, message, signature);
 */
export function nodeVerifier(options: { readonly importedKeysMax?: number } = {}): Verifier {
  const keys = importedKeys(options.importedKeysMax ?? IMPORTED_KEYS_MAX);
  const guarded = guardedVerifier({
    ed25519: (publicKey, message, signature) => verify(null, message, keys(publicKey), signature),
    esp256: (publicKey, message, signature) => verify('sha256', message, rawEcdsa(keys(publicKey)), signature),
    implicit: ecqvKeys((bytes) => plain(hash('sha256', bytes, 'buffer'))),
    sha256: (bytes) => plain(hash('sha256', bytes, 'buffer')),
    hash: nodeHash,
  });
  return { ...guarded, checkKey: once(guarded.checkKey) };
}

/** Good keys that are remembered. Servers and simulated fleets meet the same trust root again and again. */
const CHECKED_KEYS_MAX = 1024;

/** A key check costs a millisecond (the torsion check) and always gives the same answer; refusals are not kept. */
function once(check: Verifier['checkKey']): Verifier['checkKey'] {
  const good = new Set<string>();
  return (alg, publicKey) => {
    const name = `${alg} ${Buffer.from(publicKey).toString('latin1')}`;
    if (good.has(name)) return;
    check(alg, publicKey);
    if (good.size >= CHECKED_KEYS_MAX) good.clear();
    good.add(name);
  };
}

/** The secret half is raw: a seed of 32 bytes for Ed25519, a scalar of 32 bytes, big endian, for ESP256. */
export interface KeyPair {
  readonly alg: number;
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * A fresh key pair from the system's randomness.
 * @throws RangeError for another algorithm than -19 and -9
 */
export function generateKeyPair(alg: number): KeyPair {
  if (alg === ED25519) {
    const secret = plain(randomBytes(32));
    return { alg, secret, publicKey: publicKeyOf(alg, secret) };
  }
  if (alg !== ESP256) throw new RangeError(`no signature algorithm ${alg}`);
  const ecdh = createECDH(P256);
  const publicKey = plain(ecdh.generateKeys());
  return { alg, secret: padded(ecdh.getPrivateKey()), publicKey };
}

/**
 * The public key of a raw secret: 32 bytes for Ed25519, 65 bytes (04 || x || y) for ESP256.
 * @throws RangeError for another algorithm, length or a scalar outside [1, n - 1]
 */
export function publicKeyOf(alg: number, secret: Uint8Array): Uint8Array {
  return alg === ESP256 ? p256PublicKey(secret) : ed25519PublicKey(privateKey(alg, secret));
}

/**
 * A signing function over a raw secret, imported once. Signatures are 64 bytes: R || S, or r || s.
 * Ed25519 is deterministic; ESP256 draws a fresh nonce for each signature.
 * @throws RangeError for another algorithm, length or a scalar outside [1, n - 1]
 */
export function signWith(alg: number, secret: Uint8Array): (message: Uint8Array) => Uint8Array {
  return signBy(alg, privateKey(alg, secret));
}

/**
 * A signing key in the memory of this process, as the SDK's port.
 * @throws RangeError for another algorithm, length or a scalar outside [1, n - 1]
 */
export function nodeKeyStore(alg: number, secret: Uint8Array): KeyStore {
  // Imported once for both: OpenSSL takes half a millisecond for it, which a fleet notices.
  const key = privateKey(alg, secret);
  const signer = signBy(alg, key);
  const publicKey = alg === ESP256 ? p256PublicKey(secret) : ed25519PublicKey(key);
  return { alg, publicKey, sign: async (message) => signer(message) };
}

const P256 = 'prime256v1';
/** DER up to the raw key (RFC 8410, RFC 5480, RFC 5915): shorter and faster than a detour through JWK. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const P256_SPKI = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');
const P256_SEC1 = Buffer.from('30770201010420', 'hex');
const P256_SEC1_CURVE = Buffer.from('a00a06082a8648ce3d030107a144034200', 'hex');

/** Public keys by their bytes, least recently used first. Only keys that could be imported are kept. */
function importedKeys(most: number): (publicKey: Uint8Array) => KeyObject {
  const kept = new Map<string, KeyObject>();
  return (publicKey) => {
    const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1');
    const key = kept.get(name) ?? importPublicKey(publicKey);
    kept.delete(name);
    kept.set(name, key);
    if (kept.size > most) kept.delete(kept.keys().next().value!);
    return key;
  };
}

function importPublicKey(publicKey: Uint8Array): KeyObject {
  const prefix = publicKey.length === 32 ? ED25519_SPKI : P256_SPKI;
  return createPublicKey({ key: Buffer.concat([prefix, publicKey]), format: 'der', type: 'spki' });
}

function signBy(alg: number, key: KeyObject): (message: Uint8Array) => Uint8Array {
  if (alg === ED25519) return (message) => plain(sign(null, message, key));
  return (message) => plain(sign('sha256', message, rawEcdsa(key)));
}

function ed25519PublicKey(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return plain(spki.subarray(ED25519_SPKI.length));
}

function privateKey(alg: number, secret: Uint8Array): KeyObject {
  if (secret.length !== 32) throw new RangeError(`expected 32 secret bytes, got ${secret.length}`);
  if (alg === ED25519) {
    return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, secret]), format: 'der', type: 'pkcs8' });
  }
  if (alg !== ESP256) throw new RangeError(`no signature algorithm ${alg}`);
  const der = Buffer.concat([P256_SEC1, secret, P256_SEC1_CURVE, p256PublicKey(secret)]);
  return createPrivateKey({ key: der, format: 'der', type: 'sec1' });
}

function p256PublicKey(secret: Uint8Array): Uint8Array {
  const ecdh = createECDH(P256);
  try {
    if (secret.length !== 32) throw new RangeError(`got ${secret.length} bytes`);
    ecdh.setPrivateKey(secret);
  } catch (cause) {
    throw new RangeError('a P-256 scalar is 32 bytes, in [1, n - 1]', { cause });
  }
  return plain(ecdh.getPublicKey());
}

/** ECDSA signatures as raw r || s, as COSE has them, instead of DER. */
function rawEcdsa(key: KeyObject): { key: KeyObject; dsaEncoding: 'ieee-p1363' } {
  return { key, dsaEncoding: 'ieee-p1363' };
}

function nodeHash(): Hash {
  const state = createHash('sha256');
  return { update: (bytes) => void state.update(bytes), digest: () => plain(state.digest()) };
}

/** OpenSSL drops leading zero bytes of a scalar, once in 256 keys. */
function padded(scalar: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(scalar, 32 - scalar.length);
  return bytes;
}

/** A plain copy: a Node Buffer behaves differently (`slice` shares memory) and may be part of a large pool. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
