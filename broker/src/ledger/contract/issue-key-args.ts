/** An implicit key on the record, before its first use: (identity, point), and proof that somebody can sign with it. */
import { demand } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  encode,
  type ImplicitKey,
  implicitKeyValue,
  NONCE_BYTES,
  readImplicitKey,
  type Sha256,
  type Value,
} from '@countersign/device-sdk/format';
import { objectDigest } from './args.ts';
import { readName } from './read-name.ts';

export interface IssueKey {
  key: ImplicitKey;
  /** A statement of kind `possession` by the issued key, over a nonce of the centre's. */
  possession: Uint8Array;
}

export function issueKeyArgs({ key, possession }: IssueKey): Value {
  return [implicitKeyValue(key), possession];
}

/** @throws Refusal MALFORMED, UNSUPPORTED */
export function readIssueKeyArgs(args: Value): IssueKey {
  const [key, possession] = asArray(args, 'issueKey', 2);
  const read = { key: readImplicitKey(key), possession: asBytes(possession, 'possession') };
  readName(read.key.name);
  return read;
}

/** What is acted upon: the identity. A second point for it meets the first one here. */
export function identityDigest(sha256: Sha256, { role, name, epoch }: ImplicitKey): Uint8Array {
  return objectDigest(sha256, 'identity', encode([role, name, epoch]));
}

/** What a possession statement is over: never the certificate, whose signature anybody can make up. */
export function possessionValue(nonce: Uint8Array): Value {
  return [nonce];
}

/** @throws Refusal MALFORMED */
export function readPossession(value: Value): Uint8Array {
  const [nonce] = asArray(value, 'possession', 1);
  const bytes = asBytes(nonce, 'nonce', NONCE_BYTES);
  demand(bytes.length === NONCE_BYTES, 'MALFORMED', 'no nonce');
  return bytes;
}
