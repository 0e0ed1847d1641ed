import nacl from 'tweetnacl';
import type { KeyStore, Verifier } from '../ports.ts';
import { ED25519 } from './algorithms.ts';
import { type Backend, guardedVerifier } from './guarded.ts';
import { nobleHashes } from './noble-hashes.ts';

/**
 * Ed25519 by tweetnacl, a small code base that has been audited, and SHA-256 by @noble/hashes.
 * tweetnacl has no P-256: ESP256 is offered, and listed in `algorithms`, only where an equation is handed in.
 *
 * @example
 * tweetnaclVerifier(); // algorithms: [-19]
 * tweetnaclVerifier({ esp256: esp256Equation }); // algorithms: [-19, -9]
 * tweetnaclVerifier({ esp256: esp256Equation, implicit: ecqvKeys() }); // and servers' implicit keys
 */
export function tweetnaclVerifier(options: Pick<Backend, 'esp256' | 'implicit'> = {}): Verifier {
  return guardedVerifier({ ...nobleHashes, ...options, ed25519: ed25519Equation });
}

/**
 * A signer of Ed25519 by tweetnacl. Signatures are deterministic and equal to every other backend's.
 * @param seed the 32 secret bytes of the key
 */
export function tweetnaclKeyStore(seed: Uint8Array): KeyStore {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  return { alg: ED25519, publicKey, sign: async (message) => nacl.sign.detached(message, secretKey) };
}

/** tweetnacl compares encode(sB - hA) with R, which is the rule; what it lacks (s < L, keys) the guard brings. */
function ed25519Equation(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return nacl.sign.detached.verify(message, signature, publicKey);
}
