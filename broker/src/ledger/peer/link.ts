/** A ledger that a peer follows: its orderer, or another peer of it. */
import { demand, Refusal } from '@countersign/device-sdk';
import { readJson, refusalOf } from '../http-answer.ts';
import { BLOCKS_ANSWER_BYTES_MAX, type BlocksAnswer, readBlocksAnswer } from './messages.ts';

/** How long the server may hold a question; proxies cut idle connections after 30 seconds and more. */
export const WAIT_SECONDS = 20;
/** The wait, and 6 MB at 1 MB a second. */
const TIMEOUT_MS = 30_000;
/** A refusal in JSON. */
const REFUSAL_BYTES_MAX = 64 * 1024;

export interface PeerLink {
  /** Where it is, for people. */
  readonly name: string;
  /**
   * @param from number of the first block wanted; @param most blocks wanted, 0 for heads alone
   * @param mark the one of the last answer: the server waits for something new
   * @throws Refusal UNREACHABLE, UNAUTHORIZED, MALFORMED, TOO_LARGE
   */
  blocks(from: number, most: number, mark: number): Promise<BlocksAnswer>;
  /** Hands a cosignature over. @throws Refusal STALE where another head is wanted by now; UNREACHABLE */
  push(cosignature: Uint8Array): Promise<void>;
  close(): void;
}

/** @param url the server's address; @param token of its API */
export function httpPeerLink(url: string, token: string): PeerLink {
  const closing = new AbortController();
  return {
    name: url,
    async blocks(from, most, mark) {
      const path = `blocks?from=${from}&count=${most}&mark=${mark}&wait=${WAIT_SECONDS}`;
      const response = await ask('GET', path);
      return readBlocksAnswer(await bodyOf(response, BLOCKS_ANSWER_BYTES_MAX));
    },
    async push(cosignature) {
      const response = await ask('POST', 'cosignatures', cosignature);
      await response.body?.cancel();
    },
    close: () => closing.abort(),
  };

  async function ask(method: 'GET' | 'POST', path: string, body?: Uint8Array): Promise<Response> {
    try {
      const response = await fetch(new URL(`/api/v1/ledger/${path}`, url), {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/cose' } : {}) },
        ...(body ? { body: Buffer.from(body) } : {}),
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        redirect: 'error', // the token is for this server alone
      });
      if (response.status !== 200) throw refusalOf(response.status, await readJson(response, REFUSAL_BYTES_MAX));
      return response;
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `${url} does not answer for ledger/${path.split('?')[0]}`, { cause });
    }
  }
}

async function bodyOf(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of response.body ?? []) {
      length += part.length;
      demand(length <= bytesMax, 'TOO_LARGE', `the answer has more than ${bytesMax} bytes`);
      parts.push(part);
    }
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('UNREACHABLE', 'the answer broke off', { cause });
  }
  const bytes = Buffer.concat(parts);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
