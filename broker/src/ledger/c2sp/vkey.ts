/** Keys of notes: a name, a type of signature, a public key, and the id that a signature line shows. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  ALG_ESP256,
  concat,
  equal,
  hex,
  type PublicKey,
  type Sha256,
  unhex,
  utf8,
} from '@countersign/device-sdk/format';
import { checkKeyName, KEY_ID_BYTES } from './note.ts';
import { base64, unbase64 } from './text.ts';

/** Ed25519 over the text. */
export const ED25519_NOTE = 0x01;
/** ECDSA with SHA-256 over the text, the signature in DER. */
export const ECDSA_NOTE = 0x02;
/** Ed25519 over the text under a line that says so and one with the time: a witness. */
export const COSIGNATURE_V1 = 0x04;
export type NoteKeyType = typeof ED25519_NOTE | typeof ECDSA_NOTE | typeof COSIGNATURE_V1;

export interface NoteKey {
  name: string;
  type: NoteKeyType;
  key: PublicKey;
  /** First 4 bytes of a SHA-256; anybody can make a key with the same, so it is a hint and no proof. */
  keyId: Uint8Array;
}

/** @throws Refusal MALFORMED for a name that no note may hold, UNSUPPORTED for a key of another algorithm */
export function noteKey(sha256: Sha256, name: string, type: NoteKeyType, key: PublicKey): NoteKey {
  checkKeyName(name);
  const alg = type === ECDSA_NOTE ? ALG_ESP256 : ALG_ED25519;
  demand(key.alg === alg, 'UNSUPPORTED', `${name}: note signatures of type ${type} need another key`);
  const named = concat(utf8(`${name}\n`), Uint8Array.of(type), encodedKey(key));
  // The one type whose id does not depend on the name.
  const hashed = type === ECDSA_NOTE ? encodedKey(key) : named;
  return { name, type, key, keyId: sha256(hashed).slice(0, KEY_ID_BYTES) };
}

/** `<name>+<key id in hex>+<base64 of type and key>`: how keys are given to auditors. */
export function encodeVkey({ name, type, key, keyId }: NoteKey): string {
  return `${name}+${hex(keyId)}+${base64(concat(Uint8Array.of(type), encodedKey(key)))}`;
}

/** @throws Refusal MALFORMED, UNSUPPORTED, BAD_KEY */
export function readVkey(verifier: Verifier, vkey: string): NoteKey {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([^ ]+)$/.exec(vkey) ?? [];
  demand(name !== undefined && id !== undefined && encoded !== undefined, 'MALFORMED', 'a vkey is name+hex+base64');
  const bytes = unbase64(encoded, 'the key of a vkey');
  const type = TYPES.find((known) => known === bytes[0]);
  if (type === undefined) throw new Refusal('UNSUPPORTED', `note signatures of type ${bytes[0]} are not read here`);
  const key = readKey(type, bytes.subarray(1));
  verifier.checkKey(key.alg, key.bytes);
  const read = noteKey(verifier.sha256, name, type, key);
  demand(equal(read.keyId, unhex(id)!), 'MALFORMED', `the key id of ${name} is not that of its key`);
  return read;
}

const TYPES: readonly NoteKeyType[] = [ED25519_NOTE, ECDSA_NOTE, COSIGNATURE_V1];
/** SubjectPublicKeyInfo of an uncompressed point of P-256, up to the point (RFC 5480). */
const P256_SPKI = unhex('3059301306072a8648ce3d020106082a8648ce3d030107034200')!;

function encodedKey({ alg, bytes }: PublicKey): Uint8Array {
  return alg === ALG_ESP256 ? concat(P256_SPKI, bytes) : bytes;
}

function readKey(type: NoteKeyType, bytes: Uint8Array): PublicKey {
  if (type !== ECDSA_NOTE) return { alg: ALG_ED25519, bytes: bytes.slice() };
  const isP256 = equal(bytes.subarray(0, P256_SPKI.length), P256_SPKI);
  demand(isP256, 'UNSUPPORTED', 'of the curves for ECDSA, P-256 alone is read here');
  return { alg: ALG_ESP256, bytes: bytes.slice(P256_SPKI.length) };
}
