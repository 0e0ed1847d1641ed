/**
 * Implicit keys with the judge's own eyes (ECQV, SEC 4 v1.0, section 2.5): certificate, hash, point and sum, none of them by
 * the code that servers and devices have.
 */
import type { Item } from './cbor.ts';
import { derivedKey, hex, type JudgedKey, keyOf, sha256, thumbprintOf } from './crypto.ts';
import { bstr } from './sign1.ts';

export interface ImplicitKey {
  role: string;
  key: JudgedKey;
}

const PREFIX = Buffer.from('countersign/ecqv/v1\0');
const SUITE = 'ecqv-p256-sha256';

/** Keys of key generation centres by their thumbprints in hex: COSE_Keys as the trust root has them. */
export type Centres = ReadonlyMap<string, Item>;

/** @param item the last element of a trust root, where it has one: [[COSE_Key…], [implicit key…]] */
export function readImplicit(item: Item | undefined): { centres: Centres; keys: ImplicitKey[] } {
  if (item === undefined) return { centres: new Map(), keys: [] };
  const [listed, keys] = item as [Item[], Item[]];
  const centres = new Map(listed.map((centre) => [hex(thumbprintOf(centre)), centre]));
  return { centres, keys: keys.map((key) => implicitKeyOf(key, centres)) };
}

/** @throws RangeError for a key of no known centre, of another suite, or of no point */
export function implicitKeyOf(item: Item | undefined, centres: Centres): ImplicitKey {
  const [role, name, epoch, centre, suite, point] = item as [string, string, number, Uint8Array, string, Uint8Array];
  const issuer = centres.get(hex(centre));
  if (!issuer || suite !== SUITE) throw new RangeError('an implicit key of an unknown centre or suite');
  keyOf(issuer);
  const identity = [text(role), text(name), uint(epoch), bstr(2, centre), text(suite)];
  const certificate = Buffer.concat([PREFIX, Buffer.of(0x85), ...identity, point]);
  return { role, key: derivedKey(sha256(certificate), point, issuer) };
}

function text(value: string): Uint8Array {
  return bstr(3, Buffer.from(value));
}

/** Below 2^32, in its shortest form. */
function uint(value: number): Uint8Array {
  if (value < 24) return Buffer.of(value);
  if (value < 0x100) return Buffer.of(24, value);
  if (value < 0x10000) return Buffer.of(25, value >> 8, value & 255);
  const bytes = Buffer.alloc(5, 26);
  bytes.writeUInt32BE(value, 1);
  return bytes;
}
