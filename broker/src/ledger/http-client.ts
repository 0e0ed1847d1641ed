/** A ledger over HTTP. The server is not trusted: heads, receipts and proofs are checked by whoever uses them. */
import { setTimeout } from 'node:timers/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { HASH_BYTES, type Head, hex } from '@countersign/device-sdk/format';
import type { LedgerClient, LedgerEvent, LedgerHead } from './client.ts';
import { followWith } from './follow.ts';
import { Answer, readJson, refusalOf } from './http-answer.ts';

/** A submit waits for fsync behind a queue of two seconds; all else is quicker. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** A list of 80,000 devices; a page of events, 4 MB of entries in hex, is far below it. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** How long the server may hold a follower's question. */
const FOLLOW_SECONDS = 20;
/** After an unanswered question a follower asks again: at once would be a storm on a server that restarts. */
const RETRY_MS = 1_000;

export interface HttpLedger extends LedgerClient {
  /** Events from a leaf on, for which the server waits a while; none where none came. @throws Refusal UNREACHABLE, BUSY */
  page(from: number): Promise<LedgerEvent[]>;
}

/**
 * @param url the server's address, such as `http://127.0.0.1:8080`; @param token of its API
 * @throws Refusal (in every call) UNREACHABLE, UNAUTHORIZED, and what the ledger refuses
 */
export function httpLedger(url: string, token: string): HttpLedger {
  const closing = new AbortController();
  const get = (path: string) => ask('GET', path);

  return {
    async submit(statement, code) {
      const answer = new Answer(await ask('POST', 'transactions', statement, code));
      const [leafIndex, blockNumber, size] = [
        answer.count('leafIndex'),
        answer.count('blockNumber'),
        answer.count('size'),
      ];
      return { leafIndex, leafHash: answer.bytes('leafHash', HASH_BYTES), blockNumber, size };
    },
    async evaluate(query, ...args) {
      const search = args.map((arg) => `arg=${encodeURIComponent(arg)}`).join('&');
      return new Answer(await get(`queries/${query}?${search}`)).any('result');
    },
    head: async () => readHead(new Answer(await get('head'))),
    async receipt(leafHash) {
      const answer = new Answer(await get(`receipts/${hex(leafHash)}`));
      return { receipt: answer.bytes('receipt'), head: readHead(answer.inner('head')) };
    },
    async announcementProof(classId) {
      const answer = new Answer(await get(`announcements/${hex(classId)}`));
      const index = answer.inner('index');
      return {
        receipt: answer.bytes('receipt'),
        head: readHead(answer.inner('head')),
        rollout: answer.bytes('rollout'),
        index: { entry: readEntry(index.inner('entry')), proof: readProof(index.inner('proof')) },
      };
    },
    consistency: async (from, to) => new Answer(await get(`consistency?from=${from}&to=${to}`)).bytesList('path'),
    entries: async (from, count) => new Answer(await get(`entries?from=${from}&count=${count}`)).bytesList('entries'),
    entry: async (leafHash) => new Answer(await get(`entries/${hex(leafHash)}`)).bytes('entry'),
    roots: async (from) => new Answer(await get(`roots?from=${from}`)).bytesList('roots'),
    page,
    follow(from, call, failed) {
      // The server waits in place of the follower, so there is nothing more to wait for here.
      return followWith(from, events, async () => undefined, call, failed);
    },
    async close() {
      closing.abort();
    },
  };

  /** The next events; asks again while the server does not answer, until the client is closed. */
  async function events(from: number): Promise<LedgerEvent[]> {
    while (!closing.signal.aborted) {
      try {
        return await page(from);
      } catch (error) {
        if (!(error instanceof Refusal && (error.code === 'UNREACHABLE' || error.code === 'BUSY'))) throw error;
        await setTimeout(RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
    // A closed client has no more events, ever.
    return new Promise(() => {});
  }

  async function page(from: number): Promise<LedgerEvent[]> {
    const answer = new Answer(await get(`follow?from=${from}&wait=${FOLLOW_SECONDS}`));
    return answer.list('events').map((item, i) => readEvent(new Answer(item), from + i));
  }

  async function ask(method: 'GET' | 'POST', path: string, body?: Uint8Array, code?: string): Promise<unknown> {
    try {
      const response = await fetch(new URL(`/api/v1/ledger/${path}`, url), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body ? { 'content-type': 'application/cbor' } : {}),
          ...(code === undefined ? {} : { 'countersign-code': code }),
        },
        ...(body ? { body: Buffer.from(body) } : {}),
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
        redirect: 'error', // the token is for this server alone
      });
      const answer = await readJson(response, ANSWER_BYTES_MAX);
      if (response.status !== 200) throw refusalOf(response.status, answer);
      return answer;
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `${url} does not answer for ledger/${path.slice(0, 64)}`, { cause });
    }
  }
}

function readHead(answer: Answer): LedgerHead {
  const inner = answer.inner('head');
  const head: Head = {
    origin: inner.text('origin'),
    size: inner.count('size'),
    root: inner.bytes('root', HASH_BYTES),
    indexRoot: inner.bytes('indexRoot', HASH_BYTES),
    time: inner.count('time'),
    rootVersion: inner.count('rootVersion'),
  };
  const cosignatures = answer.list('cosignatures').map((item) => {
    const cosignature = new Answer(item);
    return {
      kid: cosignature.bytes('kid'),
      alg: cosignature.integer('alg'),
      signature: cosignature.bytes('signature'),
    };
  });
  return { head, signed: answer.bytes('signed'), cosignatures };
}

function readEntry(answer: Answer) {
  return {
    classId: answer.bytes('classId', 16),
    releaseLeaf: answer.bytes('releaseLeaf', HASH_BYTES),
    sequence: answer.count('sequence'),
    rolloutDigest: answer.bytes('rolloutDigest', HASH_BYTES),
    rolloutSequence: answer.count('rolloutSequence'),
    state: answer.count('state'),
    floor: answer.count('floor'),
  };
}

function readProof(answer: Answer) {
  const [floor, index, size] = [answer.count('floor'), answer.count('index'), answer.count('size')];
  return { floor, index, size, path: answer.bytesList('path') };
}

function readEvent(answer: Answer, expected: number): LedgerEvent {
  const leafIndex = answer.count('leafIndex');
  demand(leafIndex === expected, 'UNREACHABLE', `the server sent event ${leafIndex}, expected ${expected}`);
  return {
    leafIndex,
    leafHash: answer.bytes('leafHash', HASH_BYTES),
    bytes: answer.bytes('bytes'),
    blockNumber: answer.count('blockNumber'),
    time: answer.count('time'),
  };
}
