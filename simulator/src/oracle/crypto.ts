/**
 * The judge's own cryptography: @noble, where every server and every device of a simulation uses node:crypto. A fault of
 * one library does not acquit itself.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { sha256 as noble } from '@noble/hashes/sha2.js';
import type { Item } from './cbor.ts';

/** A public key as a COSE_Key names it, with its key id in hex. */
export interface JudgedKey {
  kid: string;
  /** Of an implicit key, its thumbprint in hex: what it signs counts once its `issueKey` is in the log. */
  issued?: string;
  holds(message: Uint8Array, signature: Uint8Array): boolean;
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const state = noble.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

export function hex(item: Item | undefined): string {
  if (!(item instanceof Uint8Array)) throw new RangeError('bytes expected');
  return Buffer.from(item).toString('hex');
}

/** @throws RangeError for anything but Ed25519 and P-256 */
export function keyOf(item: Item | undefined): JudgedKey {
  if (!(item instanceof Map)) throw new RangeError('a COSE_Key is a map');
  const x = item.get(-2);
  if (item.get(1) === 1 && item.get(-1) === 6 && x instanceof Uint8Array) return ed25519Key(x);
  const point = pointOf(item);
  return {
    kid: hex(thumbprintOf(item).subarray(0, 8)),
    holds: (message, signature) => quiet(() => p256.verify(signature, message, point, { lowS: false })),
  };
}

/** Of a COSE_Key on P-256 (RFC 9679). @throws RangeError for any other */
export function thumbprintOf(item: Item | undefined): Uint8Array {
  const point = pointOf(item);
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  return sha256(Buffer.from('a40102200121', 'hex'), bstr32(x), Buffer.of(0x22), bstr32(y));
}

/**
 * The key that a point stands for: the left 255 bits of the certificate's hash times the point, and the centre's key.
 * @throws RangeError, Error for no point
 */
export function derivedKey(hash: Uint8Array, point: Uint8Array, centre: Item): JudgedKey {
  const { Point } = p256;
  const e = BigInt(`0x${hex(hash)}`) >> 1n;
  const sum = Point.fromBytes(point)
    .multiply(e)
    .add(Point.fromBytes(pointOf(centre)));
  const key = sum.toBytes(false);
  return {
    kid: hex(hash.subarray(0, 8)),
    issued: hex(hash),
    holds: (message, signature) => quiet(() => p256.verify(signature, message, key, { lowS: false })),
  };
}

function pointOf(item: Item | undefined): Uint8Array {
  const isP256 = item instanceof Map && item.get(1) === 2 && item.get(-1) === 1;
  const [x, y] = isP256 ? [item.get(-2), item.get(-3)] : [];
  const whole = x instanceof Uint8Array && y instanceof Uint8Array && x.length === 32 && y.length === 32;
  if (!whole) throw new RangeError('an unknown key');
  return new Uint8Array([4, ...x, ...y]);
}

export function ed25519Key(x: Uint8Array): JudgedKey {
  const kid = kidOf([Buffer.from('a30101200621', 'hex'), bstr32(x)]);
  // zip215: false is the strict rule of RFC 8032; the other takes signatures that OpenSSL does not.
  return { kid, holds: (message, signature) => quiet(() => ed25519.verify(signature, message, x, { zip215: false })) };
}

/** Bytes that are no key or no signature at all hold nothing. */
function quiet(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

function bstr32(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(0x58, 0x20), bytes]);
}

function kidOf(parts: readonly Uint8Array[]): string {
  return hex(sha256(...parts).subarray(0, 8));
}
