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
  const [x, y] = [item.get(-2), item.get(-3)];
  if (item.get(1) === 1 && item.get(-1) === 6 && x instanceof Uint8Array) return ed25519Key(x);
  const isP256 = item.get(1) === 2 && item.get(-1) === 1;
  if (!isP256 || !(x instanceof Uint8Array) || !(y instanceof Uint8Array)) throw new RangeError('an unknown key');
  const point = new Uint8Array([4, ...x, ...y]);
  const encoded = [Buffer.from('a40102200121', 'hex'), bstr32(x), Buffer.of(0x22), bstr32(y)];
  return {
    kid: kidOf(encoded),
    holds: (message, signature) => quiet(() => p256.verify(signature, message, point, { lowS: false })),
  };
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
