import { p256 } from '@noble/curves/nist.js';
import type { KeyStore } from '../ports.ts';
import { ESP256 } from './algorithms.ts';

/** ECDSA on P-256 by noble; to be injected where a device needs ESP256 beside another Ed25519 backend. */
export function esp256Equation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return p256.verify(signature, message, publicKey, { lowS: false, prehash: true, format: 'compact' });
}

/**
 * A signer of ESP256 for devices without Node. Signatures are deterministic (RFC 6979).
 * @param scalar the 32 secret bytes of the key, big endian, in [1, n - 1]
 * @throws RangeError
 */
export function nobleEsp256KeyStore(scalar: Uint8Array): KeyStore {
  const secret = new Uint8Array(scalar);
  if (!p256.utils.isValidSecretKey(secret)) throw new RangeError('a P-256 scalar is 32 bytes, in [1, n - 1]');
  const publicKey = p256.getPublicKey(secret, false);
  return {
    alg: ESP256,
    publicKey,
    sign: async (message) => p256.sign(message, secret, { prehash: true, format: 'compact' }),
  };
}
