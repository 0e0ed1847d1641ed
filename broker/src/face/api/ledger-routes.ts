/**
 * The ledger over HTTP, under /api/v1/ledger. Everything it gives is signed or provable, so the token in front of it
 * keeps strangers from the entries and proves nothing. Refusals, the token and bodies of bytes are the application's (app.ts).
 */
import { demand } from '@countersign/device-sdk';
import { HASH_BYTES, hex, TX_BYTES_MAX, unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import type { Committed, LedgerEvent, LedgerHead, LedgerSource } from '../../ledger/client.ts';
import { ENTRIES_MAX } from '../../ledger/embedded/reader.ts';
import { FOLLOW_BATCH } from '../../ledger/follow.ts';
import { codeIn } from '../access/guard.ts';
import { bytesOf } from './ask.ts';
import * as say from './openapi/ledger-operations.ts';

/** A long poll is answered after this at the latest; proxies cut idle connections after 30 seconds and more. */
export const FOLLOW_SECONDS_MAX = 20;
/** Arguments of a query. */
const ARGS_MAX = 4;

/** Heads, growth and trust roots are what every device is shown: hashes, public keys and signatures. */
const EVERYBODY = { public: true };

/**
 * @example
 * app.register(ledgerRoutes(ledger));
 */
export function ledgerRoutes(ledger: LedgerSource): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    addWriting(app, ledger);
    addProofs(app, ledger);
    addEntries(app, ledger);
  };
}

function addWriting(app: FastifyInstance, ledger: LedgerSource): void {
  app.post('/api/v1/ledger/transactions', { bodyLimit: TX_BYTES_MAX, schema: say.SUBMIT }, async (request) =>
    committedJson(await ledger.submit(bytesOf(request.body, 'a statement'), codeIn(request.headers))),
  );
  app.get<{ Params: { query: string }; Querystring: Query }>(
    '/api/v1/ledger/queries/:query',
    { schema: say.QUERY },
    async (request) => {
      const { arg } = request.query;
      const args = arg === undefined ? [] : [arg].flat();
      demand(args.length <= ARGS_MAX, 'BAD_REQUEST', `at most ${ARGS_MAX} arguments`);
      // The name is checked by the contract, which knows its queries.
      return { result: await ledger.evaluate(request.params.query as never, ...args) };
    },
  );
}

function addProofs(app: FastifyInstance, ledger: LedgerSource): void {
  app.get('/api/v1/ledger/head', { config: EVERYBODY, schema: say.HEAD }, async () => headJson(await ledger.head()));
  app.get<{ Params: { leaf: string } }>('/api/v1/ledger/receipts/:leaf', { schema: say.RECEIPT }, async (request) => {
    const { receipt, head } = await ledger.receipt(digestOf(request.params.leaf, HASH_BYTES));
    return { receipt: hex(receipt), head: headJson(head) };
  });
  app.get<{ Params: { classId: string } }>(
    '/api/v1/ledger/announcements/:classId',
    { schema: say.ANNOUNCEMENT },
    async (request) => {
      const proof = await ledger.announcementProof(digestOf(request.params.classId, 16));
      const { entry, proof: path } = proof.index;
      return {
        receipt: hex(proof.receipt),
        head: headJson(proof.head),
        rollout: hex(proof.rollout),
        index: {
          entry: {
            ...entry,
            classId: hex(entry.classId),
            releaseLeaf: hex(entry.releaseLeaf),
            rolloutDigest: hex(entry.rolloutDigest),
          },
          proof: { ...path, path: path.path.map(hex) },
        },
      };
    },
  );
  app.get<{ Querystring: Query }>(
    '/api/v1/ledger/consistency',
    { config: EVERYBODY, schema: say.CONSISTENCY },
    async (request) => {
      const { from, to } = request.query;
      return { path: (await ledger.consistency(count(from, 'from'), count(to, 'to'))).map(hex) };
    },
  );
}

function addEntries(app: FastifyInstance, ledger: LedgerSource): void {
  app.get<{ Querystring: Query }>('/api/v1/ledger/entries', { schema: say.ENTRIES }, async (request) => {
    const from = count(request.query.from, 'from');
    const most = count(request.query.count, 'count', ENTRIES_MAX);
    return { entries: (await ledger.entries(from, most)).map(hex) };
  });
  app.get<{ Params: { leaf: string } }>('/api/v1/ledger/entries/:leaf', { schema: say.ENTRY }, async (request) => ({
    entry: hex(await ledger.entry(digestOf(request.params.leaf, HASH_BYTES))),
  }));
  app.get<{ Querystring: Query }>(
    '/api/v1/ledger/roots',
    { config: EVERYBODY, schema: say.ROOTS },
    async (request) => ({
      roots: (await ledger.roots(count(request.query.from, 'from'))).map(hex),
    }),
  );
  app.get<{ Querystring: Query }>('/api/v1/ledger/follow', { schema: say.FOLLOW }, async (request) => {
    const from = count(request.query.from, 'from');
    const seconds = count(request.query.wait ?? '0', 'wait', FOLLOW_SECONDS_MAX);
    await ledger.beyond(from, seconds * 1000);
    return { events: (await ledger.events(from, FOLLOW_BATCH)).map(eventJson) };
  });
}

type Query = Record<'from' | 'to' | 'count' | 'wait' | 'arg', string | string[] | undefined>;

function committedJson({ leafIndex, leafHash, blockNumber, size }: Committed) {
  return { leafIndex, leafHash: hex(leafHash), blockNumber, size };
}

function headJson({ head, signed, cosignatures }: LedgerHead) {
  return {
    head: { ...head, root: hex(head.root), indexRoot: hex(head.indexRoot) },
    signed: hex(signed),
    cosignatures: cosignatures.map(({ kid, alg, signature }) => ({ kid: hex(kid), alg, signature: hex(signature) })),
  };
}

function eventJson({ leafIndex, leafHash, bytes, blockNumber, time }: LedgerEvent) {
  return { leafIndex, leafHash: hex(leafHash), bytes: hex(bytes), blockNumber, time };
}

/** @throws Refusal BAD_REQUEST */
function digestOf(text: string, length: number): Uint8Array {
  const bytes = unhex(text);
  demand(bytes?.length === length, 'BAD_REQUEST', `${text.slice(0, 80)} is not ${length} bytes in hex`);
  return bytes;
}

function count(value: string | string[] | undefined, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const valid = typeof value === 'string' && /^\d{1,16}$/.test(value) && Number(value) <= most;
  demand(valid, 'BAD_REQUEST', `${name} is missing or out of range`);
  return Number(value);
}
