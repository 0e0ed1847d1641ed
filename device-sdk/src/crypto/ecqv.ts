/**
 * Implicit keys: ECQV on P-256 with SHA-256 (SEC 4 v1.0). The public key is Q = eP + Q_CA, where P is the point that the
 * key generation centre gave out, Q_CA its own key and e the leftmost 255 bits of the certificate's hash (section 2.3).
 * A part of its own, injected: whoever meets no implicit key does not carry it.
 */
import { Refusal } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import type { PublicKey } from '../format/cose.ts';
import { type ImplicitPart, implicitKeysFor, implicitKeysOf, type ListingRoot } from '../format/implicit.ts';
import { isIssueOf } from '../format/issue-entry.ts';
import type { Sha256 } from '../format/merkle.ts';
import { IMPLICIT_KEY_BYTES } from './algorithms.ts';
import { bigEndian } from './arithmetic.ts';
import { add, COMPRESSED_BYTES, multiply, readPoint, writePoint } from './p256-point.ts';

/** @param hash SHA-256 of the certificate */
export function hashToScalar(hash: Uint8Array): bigint {
  return bigEndian(hash) >> 1n;
}

/**
 * @param point compressed, 33 bytes
 * @param centre uncompressed, 65 bytes
 * @returns 65 bytes
 * @throws Refusal BAD_KEY for a point that is none, and for infinity
 */
export function reconstructKey(hash: Uint8Array, point: Uint8Array, centre: Uint8Array): Uint8Array {
  if (point.length !== COMPRESSED_BYTES) throw new Refusal('BAD_KEY', 'an implicit key has a compressed point');
  return writePoint(add(multiply(readPoint(point), hashToScalar(hash)), readPoint(centre)));
}

/** Derived keys that are remembered: one of each server, and the ones before them. */
const DERIVED_MAX = 8;

/**
 * The part that a verifier needs for implicit keys. It remembers what it has derived.
 * @param sha256 the verifier's own
 *
 * @example
 * tweetnaclVerifier({ esp256: esp256Equation, implicit: ecqvKeys(nobleHashes.sha256) });
 */
export function ecqvKeys(sha256: Sha256): ImplicitPart {
  const read = new WeakMap<ListingRoot, Map<string, readonly PublicKey[]>>();
  const derived: { from: Uint8Array; key: Uint8Array }[] = [];
  return {
    keysOf(root, role) {
      const known = read.get(root) ?? new Map<string, readonly PublicKey[]>();
      const keys = known.get(role) ?? implicitKeysFor(sha256, implicitKeysOf(sha256, root), role);
      read.set(root, known.set(role, keys));
      return keys;
    },
    isIssue: (entry, print, root, leafIndex) => isIssueOf(sha256, entry, print, root, leafIndex),
    derive(from) {
      const known = derived.find((item) => equal(item.from, from));
      if (known) return known.key;
      if (from.length !== IMPLICIT_KEY_BYTES) throw new Refusal('BAD_KEY', `an implicit key of ${from.length} bytes`);
      const key = reconstructKey(from.subarray(0, 32), from.subarray(32, 65), from.subarray(65));
      if (derived.length >= DERIVED_MAX) derived.shift();
      derived.push({ from: from.slice(), key });
      return key;
    },
  };
}
