import { demand } from '../errors.ts';
import { decodePoint, isTorsionFree } from './ed25519-point.ts';

/**
 * The part of verification that no backend is trusted with, at the price of comparing a few bytes:
 * lengths, s < L, a canonical key, neither key nor R of small order (RFC 8032 section 5.1.7; FORMAT, rule Ed25519).
 * Whether R is canonical needs no check: the equation compares its bytes with a canonical encoding.
 *
 * An honest signer never makes R of small order, but a dishonest one can make it the neutral element and satisfy the
 * equation. Node 20 and 22 then say true, Node 24 and 26 say false (nodejs/node pull request 64026), so we say false.
 *
 * A key of mixed order passes here, since finding it costs more than the signature. All backends compute the same
 * equation for it, so they still agree; {@link checkEd25519Key} refuses it where keys are enrolled.
 */
export function ed25519Plausible(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === 32 &&
    signature.length === 64 &&
    isBelow(signature.subarray(32), ORDER) &&
    isCanonical(publicKey) &&
    !isSmallOrder(publicKey) &&
    !isSmallOrder(signature.subarray(0, 32))
  );
}

/**
 * Checks an Ed25519 public key once, when it is enrolled (about one multiplication of a point).
 * @throws Refusal BAD_KEY
 */
export function checkEd25519Key(publicKey: Uint8Array): void {
  demand(publicKey.length === 32, 'BAD_KEY', `expected an Ed25519 key of 32 bytes, got ${publicKey.length}`);
  demand(isCanonical(publicKey), 'BAD_KEY', 'the Ed25519 key is not canonical: y is not below the field prime');
  // With a key of small order one signature fits many messages: whoever owns it can deny everything.
  demand(!isSmallOrder(publicKey), 'BAD_KEY', 'the Ed25519 key is of small order');
  const point = decodePoint(publicKey);
  demand(point, 'BAD_KEY', 'the Ed25519 key is not on the curve');
  demand(isTorsionFree(point), 'BAD_KEY', 'the Ed25519 key is outside the prime-order subgroup');
}

/** L, the order of the base point, little endian: 2^252 + 27742317777372353535851937790883648493. */
const ORDER = littleEndian(0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn);
const PRIME = littleEndian(2n ** 255n - 19n);

/**
 * The five y coordinates of the eight points whose order divides 8. A comparison without the sign bit also catches
 * the two encodings of "minus zero" (x = 0 with the sign set), the only ones of a canonical y that RFC 8032 forbids.
 */
const SMALL_ORDER_Y = [
  0n, // order 4
  1n, // order 1
  2n ** 255n - 20n, // order 2
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n, // order 8
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n, // order 8
].map(littleEndian);

function isCanonical(key: Uint8Array): boolean {
  return isBelow(withoutSign(key), PRIME);
}

function isSmallOrder(point: Uint8Array): boolean {
  const y = withoutSign(point);
  return SMALL_ORDER_Y.some((small) => small.every((byte, i) => byte === y[i]));
}

function withoutSign(point: Uint8Array): Uint8Array {
  const y = new Uint8Array(point); // a true copy: `slice` of a Node Buffer would share the caller's bytes
  y[31]! &= 0x7f;
  return y;
}

function isBelow(value: Uint8Array, limit: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    if (value[i] !== limit[i]) return value[i]! < limit[i]!;
  }
  return false;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}
