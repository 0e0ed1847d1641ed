/** What a ledger answers about itself, its entries and its people; and how it refuses. */
import { CODES } from '@countersign/device-sdk';
import { kept } from './kept.ts';
import { hexText, list, nullable, number, object, oneOf, record, type Schema, SECONDS, text, whole } from './schema.ts';

const FORMER_KEY = { alg: { type: 'integer' }, publicKey: hexText(), thumbprint: hexText(32) };

export const LEDGER_SHAPES: Record<string, Schema> = {
  Problem: {
    ...object({
      type: text('where it says what this means, on this server', { format: 'uri-reference' }),
      title: text('what the code means'),
      status: whole(),
      detail: text('what was expected, and what came'),
      code: oneOf(...CODES),
    }),
    description: 'RFC 9457. The code is for machines, the detail for people.',
  },
  Committed: object({
    leafIndex: whole(),
    leafHash: hexText(32),
    blockNumber: whole(),
    size: whole('first head over it'),
  }),
  Head: object({
    origin: text(),
    size: whole('entries under it'),
    root: hexText(32),
    indexRoot: hexText(32),
    time: SECONDS,
    rootVersion: whole(),
    cosignatures: whole('how many peers signed it'),
    signed: hexText(undefined, 'the signed head, COSE_Sign1'),
  }),
  LedgerHead: object({
    head: object({
      origin: text(),
      size: whole(),
      root: hexText(32),
      indexRoot: hexText(32),
      time: SECONDS,
      rootVersion: whole(),
    }),
    signed: hexText(),
    cosignatures: list(object({ kid: hexText(), alg: { type: 'integer' }, signature: hexText() })),
  }),
  Quorum: object({
    needed: whole('signatures that a head needs'),
    peers: whole(),
    size: whole('entries of the newest head'),
    published: nullable(whole('entries of the newest head with a quorum')),
    signers: list(hexText()),
    waitingWith: list(hexText()),
    waitingSeconds: number(),
    cosignedSecondsAgo: record(whole(), 'by key id of the peer; absent where it has not cosigned since the start'),
  }),
  HistoryItem: object({
    leafHash: hexText(32),
    leafIndex: { type: 'integer' },
    time: SECONDS,
    action: text(),
    signer: text('a person, `service`, `command`, or a device id'),
    value: { type: 'object', description: 'the object as it stood then' },
  }),
  Person: kept(
    {
      name: text(),
      roles: list(text()),
      products: list(hexText(16)),
      thumbprint: text('of the key, RFC 9679'),
      publicKey: hexText(),
      alg: { type: 'integer' },
      kid: hexText(undefined, 'of the key'),
      state: oneOf('proposed', 'active', 'revoked'),
      proposedBy: nullable(text()),
      revocation: nullable(object({ by: text(), reason: text() })),
      newKey: object({ ...FORMER_KEY, kid: hexText(), by: text('who proposed it') }),
      formerKeys: list(object(FORMER_KEY)),
    },
    ['alg', 'kid', 'products', 'newKey', 'formerKeys'],
  ),
};
