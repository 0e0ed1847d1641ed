import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import type { KeyStore, Verifier } from '../ports.ts';
import { ED25519 } from './algorithms.ts';
import { littleEndian } from './arithmetic.ts';
import { guardedVerifier } from './guarded.ts';
import { nobleHashes } from './noble-hashes.ts';

/** Ed25519 and SHA-256 in pure TypeScript, without P-256: the smallest noble build. */
export function nobleEd25519Verifier(): Verifier {
  return guardedVerifier({ ...nobleHashes, ed25519: ed25519Equation });
}

/**
 * A signer of Ed25519 for devices without Node. Signatures are deterministic (RFC 8032 section 5.1.6).
 * @param seed the 32 secret bytes of the key
 */
export function nobleEd25519KeyStore(seed: Uint8Array): KeyStore {
  const secret = new Uint8Array(seed);
  const publicKey = ed25519.getPublicKey(secret);
  return { alg: ED25519, publicKey, sign: async (message) => ed25519.sign(message, secret) };
}

/**
 * encode(sB - hA) equals R. noble's own `verify` multiplies by the cofactor and therefore accepts signatures that
 * node:crypto and tweetnacl refuse (R with a torsion part), so only its points and its hash are used.
 */
export function ed25519Equation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const { Point } = ed25519;
  const a = Point.fromBytes(publicKey);
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const digest = sha512.create().update(r).update(publicKey).update(message).digest();
  const h = Point.Fn.create(littleEndian(digest));
  const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(h)).toBytes();
  return expected.every((byte, i) => byte === r[i]);
}
