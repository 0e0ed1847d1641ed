/** A row of the vectors: bytes, and what a reader makes of them. */
import { decodeSign1, hex, type Signer, toBeSigned } from '@countersign/device-sdk/format';
import { codeOfRefusal } from '../support/refused.ts';
import { READERS } from './format-readers.ts';

export interface FormatVector {
  id: string;
  why: string;
  /** A name of format-readers.ts: how FORMAT reads these bytes. */
  reader: string;
  /** hex */
  input: string;
  /** What is read, byte strings in hex; or the code of the refusal. */
  expected: { value: unknown } | { code: string };
  /** Where the input carries signatures: which key's, and over which bytes. */
  signatures?: { key: string; publicKey: string; message: string; signature: string }[];
}

export function accepted(
  reader: string,
  id: string,
  why: string,
  input: Uint8Array,
  extra: Partial<FormatVector> = {},
): FormatVector {
  return { id, why, reader, input: hex(input), expected: { value: READERS[reader]!(input) }, ...extra };
}

export function refused(reader: string, id: string, why: string, code: string, input: Uint8Array): FormatVector {
  const came = codeOfRefusal(() => READERS[reader]!(input));
  if (came !== code) throw new Error(`${id}: expected ${code}, the reader says ${came}`);
  return { id, why, reader, input: hex(input), expected: { code } };
}

export function signature(
  key: string,
  signer: Signer,
  bytes: Uint8Array,
  payload: Uint8Array,
  aad: Uint8Array = new Uint8Array(),
) {
  const sign1 = decodeSign1(bytes);
  return {
    key,
    publicKey: hex(signer.publicKey),
    message: hex(toBeSigned(sign1.protectedBytes, aad, payload)),
    signature: hex(sign1.signature),
  };
}
