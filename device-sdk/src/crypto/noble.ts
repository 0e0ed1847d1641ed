import type { KeyStore, Verifier } from '../ports.ts';
import { ED25519, ESP256 } from './algorithms.ts';
import { type Backend, guardedVerifier } from './guarded.ts';
import { ed25519Equation, nobleEd25519KeyStore } from './noble-ed25519.ts';
import { esp256Equation, nobleEsp256KeyStore } from './noble-esp256.ts';
import { nobleHashes } from './noble-hashes.ts';

/**
 * Ed25519, ESP256 and SHA-256 in pure TypeScript, on @noble/curves and @noble/hashes.
 *
 * @example
 * const verifier = nobleVerifier();
 * verifier.checkKey(-19, publicKey); // once, at enrolment
 * verifier.verify(-19, publicKey, message, signature);
 */
export function nobleVerifier(options: Pick<Backend, 'implicit'> = {}): Verifier {
  return guardedVerifier({ ...nobleHashes, ...options, ed25519: ed25519Equation, esp256: esp256Equation });
}

/**
 * A signing key in memory, for devices without Node and without a secure element.
 * @param alg -19 Ed25519 or -9 ESP256
 * @param secret 32 bytes: the seed, or the scalar big endian
 * @throws RangeError for another algorithm, length or a scalar outside [1, n - 1]
 */
export function nobleKeyStore(alg: number, secret: Uint8Array): KeyStore {
  if (secret.length !== 32) throw new RangeError(`expected 32 secret bytes, got ${secret.length}`);
  if (alg === ED25519) return nobleEd25519KeyStore(secret);
  if (alg === ESP256) return nobleEsp256KeyStore(secret);
  throw new RangeError(`no signature algorithm ${alg}`);
}
