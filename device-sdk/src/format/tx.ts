/** Transactions of people and services: a statement over [channel, action, object digest, previous, args]. */
import { decode, type Value } from './cbor.ts';
import { HASH_BYTES } from './merkle.ts';
import { asArray, asBytes, asText } from './shape.ts';

export const ACTIONS = [
  'enrol',
  'revoke',
  'product',
  'issueKey',
  'upload',
  'approve',
  'reject',
  'confirm',
  'rollout',
  'download',
  'passport',
  'trial',
  'root',
] as const;
export type Action = (typeof ACTIONS)[number];

/** An entry must fit the 65,535 bytes of a C2SP entry bundle; a manifest has at most 2 KB, an enrolment lists devices. */
export const TX_BYTES_MAX = 60_000;

export interface Transaction {
  /** The ledger's origin: a transaction for one ledger means nothing on another. */
  channel: string;
  action: string;
  /** What is acted upon: for releases the leaf hash of block 1. */
  object: Uint8Array;
  /** Leaf hash of the last entry that changed the object, 32 zero bytes for none. */
  previous: Uint8Array;
  args: Value;
}

export function transactionValue(t: Transaction): Value {
  return [t.channel, t.action, t.object, t.previous, t.args];
}

/** @param payload of a tx statement. @throws Refusal MALFORMED */
export function readTransaction(payload: Uint8Array): Transaction {
  const [channel, action, object, previous, args] = asArray(decode(payload), 'transaction', 5);
  return {
    channel: asText(channel, 'channel'),
    action: asText(action, 'action', 32),
    object: asBytes(object, 'object digest', HASH_BYTES),
    previous: asBytes(previous, 'previous', HASH_BYTES),
    args: args!,
  };
}
