/** Signatures under notes: made, and checked against keys that are known beforehand. */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  concat,
  equal,
  publicKeyOf,
  type Sha256,
  SIGNATURE_BYTES,
  type Signer,
  utf8,
} from '@countersign/device-sdk/format';
import { derOf, rawOf } from '@countersign/device-sdk/host/der';
import type { Note, NoteSignature } from './note.ts';
import { COSIGNATURE_V1, ECDSA_NOTE, ED25519_NOTE, type NoteKey, noteKey } from './vkey.ts';

const TIME_BYTES = 8;

/** A log's own signature, over the text alone. The type follows from the key. */
export async function signText(sha256: Sha256, name: string, signer: Signer, text: string): Promise<NoteSignature> {
  const type = signer.alg === ALG_ESP256 ? ECDSA_NOTE : ED25519_NOTE;
  const { keyId } = noteKey(sha256, name, type, publicKeyOf(signer));
  const made = await signer.sign(utf8(text));
  return { name, keyId, signature: type === ECDSA_NOTE ? derOf(made) : made };
}

/**
 * A witness's signature (c2sp.org/tlog-cosignature, cosignature/v1).
 * @param time seconds since the epoch
 * @throws Refusal UNSUPPORTED for a key that is not Ed25519
 */
export async function cosignText(
  sha256: Sha256,
  name: string,
  signer: Signer,
  text: string,
  time: number,
): Promise<NoteSignature> {
  const { keyId } = noteKey(sha256, name, COSIGNATURE_V1, publicKeyOf(signer));
  const made = await signer.sign(cosignedMessage(text, time));
  return { name, keyId, signature: concat(bigEndian(time), made) };
}

/** A signature that verified. */
export interface Signed {
  key: NoteKey;
  /** Of a cosignature: when the witness saw nothing larger, seconds since the epoch. */
  time: number | undefined;
}

/**
 * Checks every signature of a known key; others are ignored, even where they share a name or an id with a known one.
 * @returns the keys that signed, each once, in the order given; none where no signature is of a known key
 * @throws Refusal BAD_SIGNATURE where a known key's signature does not verify
 */
export function checkNote(verifier: Verifier, note: Note, keys: readonly NoteKey[]): Signed[] {
  return keys.flatMap((key) => {
    const own = note.signatures.filter((item) => item.name === key.name && equal(item.keyId, key.keyId));
    const read = own.map((item) => checkSignature(verifier, key, item.signature, note.text));
    return read.slice(0, 1).map((time) => ({ key, time }));
  });
}

/** Whether one signature line is of this key and verifies. */
export function isSignedBy(verifier: Verifier, note: Note, item: NoteSignature, key: NoteKey): boolean {
  if (item.name !== key.name || !equal(item.keyId, key.keyId)) return false;
  try {
    checkSignature(verifier, key, item.signature, note.text);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'BAD_SIGNATURE') throw error;
    return false;
  }
}

/** @returns the time of a cosignature. @throws Refusal BAD_SIGNATURE */
function checkSignature(verifier: Verifier, key: NoteKey, bytes: Uint8Array, text: string): number | undefined {
  const { time, signature, message } = opened(key, bytes, text);
  const valid = verifier.verify(key.key.alg, key.key.bytes, message, signature);
  demand(valid, 'BAD_SIGNATURE', `the signature of ${key.name} does not verify`);
  return time;
}

function opened({ type, name }: NoteKey, bytes: Uint8Array, text: string) {
  if (type === COSIGNATURE_V1) {
    demand(bytes.length === TIME_BYTES + SIGNATURE_BYTES, 'BAD_SIGNATURE', `the cosignature of ${name} is cut off`);
    const time = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
    demand(Number.isSafeInteger(time), 'BAD_SIGNATURE', `the cosignature of ${name} has an impossible time`);
    return { time, signature: bytes.subarray(TIME_BYTES), message: cosignedMessage(text, time) };
  }
  return { time: undefined, signature: type === ECDSA_NOTE ? rawOrBad(bytes, name) : bytes, message: utf8(text) };
}

function rawOrBad(der: Uint8Array, name: string): Uint8Array {
  try {
    return rawOf(der);
  } catch (cause) {
    throw new Refusal('BAD_SIGNATURE', `the signature of ${name} is not in its form`, { cause });
  }
}

/** The first line keeps it apart from every text that the same key could sign as a log. */
function cosignedMessage(text: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

function bigEndian(time: number): Uint8Array {
  if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`${time} is no time`);
  const bytes = new Uint8Array(TIME_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time));
  return bytes;
}
