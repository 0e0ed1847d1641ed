/**
 * The two secret halves of ECQV (SEC 4 v1.0): what the key generation centre adds (section 2.4), and how a server ends
 * up with a private key that the centre never sees (section 2.6). Deriving the public key is the device SDK's part.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { ESP256 } from '@countersign/device-sdk/crypto/algorithms';
import { bigEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { hashToScalar, reconstructKey } from '@countersign/device-sdk/crypto/ecqv';
import { add, bytes32, compressed, P256_ORDER, readPoint, writePoint } from '@countersign/device-sdk/crypto/p256-point';
import { equal } from '@countersign/device-sdk/format';
import { generateKeyPair, type KeyPair, publicKeyOf } from '@countersign/device-sdk/host/crypto';

export interface Share {
  /** Compressed, 33 bytes: public, goes into every verifier. */
  point: Uint8Array;
  /** 32 bytes. Worth nothing without the requester's secret, so it may travel in clear; the requester checks it. */
  r: Uint8Array;
}

/** A sum that is infinity meets nobody: with 2^-256 a time, the second time already means broken randomness. */
const TRIES_MAX = 8;

/**
 * @param request the requester's point, compressed, 33 bytes
 * @param centre the centre's key pair; its secret is 32 bytes, big endian
 * @param hashOf SHA-256 of the certificate with this point
 * @param fresh a new secret for each call: two shares with one of them reveal the centre's key
 * @throws Refusal BAD_KEY for a request that is no canonical point
 */
export function issueShare(
  request: Uint8Array,
  centre: Pick<KeyPair, 'secret' | 'publicKey'>,
  hashOf: (point: Uint8Array) => Uint8Array,
  fresh: () => KeyPair = () => generateKeyPair(ESP256),
): Share {
  demand(request.length === 33, 'BAD_KEY', `a request is a compressed point of 33 bytes, got ${request.length}`);
  const requested = readPoint(request);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { secret, publicKey } = fresh();
    const sum = add(requested, readPoint(publicKey));
    if (sum.Z === 0n) continue;
    const point = compressed(writePoint(sum));
    const hash = hashOf(point);
    if (!isKey(hash, point, centre.publicKey)) continue;
    const r = modN(hashToScalar(hash) * bigEndian(secret) + bigEndian(centre.secret));
    secret.fill(0);
    return { point, r: bytes32(r) };
  }
  throw new Refusal('INTERNAL', 'the random numbers of this system repeat');
}

function isKey(hash: Uint8Array, point: Uint8Array, centre: Uint8Array): boolean {
  try {
    return reconstructKey(hash, point, centre).length === 65;
  } catch (error) {
    if (error instanceof Refusal) return false; // infinity
    throw error;
  }
}

/**
 * The requester's key pair. Anything changed on the way shows here: the private key must fit the public one that
 * everybody else derives.
 * @param secret that of the request, 32 bytes
 * @param hash SHA-256 of the certificate with the share's point
 * @throws Refusal BAD_KEY
 */
export function finishKey(secret: Uint8Array, share: Share, hash: Uint8Array, centre: Uint8Array): KeyPair {
  const publicKey = reconstructKey(hash, share.point, centre);
  const d = modN(hashToScalar(hash) * bigEndian(secret) + bigEndian(share.r));
  const own = bytes32(d);
  const fits = share.r.length === 32 && bigEndian(share.r) < P256_ORDER && d !== 0n;
  demand(fits && equal(publicKeyOf(ESP256, own), publicKey), 'BAD_KEY', 'the answer of the centre makes no key');
  return { alg: ESP256, secret: own, publicKey };
}

function modN(value: bigint): bigint {
  return value % P256_ORDER;
}
