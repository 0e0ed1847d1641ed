/** The API from outside, for commands, tests and simulations. What a server answers is bounded and read strictly. */
import { demand, Refusal } from '@countersign/device-sdk';
import { CODE_HEADER } from '../access/code-header.ts';
import { refusalOf } from '../api/refusals.ts';

/** A list of 10,000 devices is 6 MB of JSON; an image has up to 64 MB. */
export const ANSWER_BYTES_MAX = 72 * 1024 * 1024;
/** Deltas of a large image are made while the request waits. */
export const ANSWER_MS_MAX = 15 * 60_000;

export interface ApiClient {
  readonly url: string;
  /** @throws Refusal with the server's code; UNREACHABLE, UNAUTHORIZED, TOO_LARGE */
  get(path: string, query?: Query): Promise<unknown>;
  bytes(path: string): Promise<Uint8Array>;
  /** @param body bytes go as they are, anything else as JSON */
  post(path: string, body: unknown, query?: Query): Promise<unknown>;
}

export type Query = Record<string, string | undefined>;

/**
 * @param code one-time code of the person who signs, where the server asks for one; it is good once
 * @example
 * const api = apiClient('http://127.0.0.1:8080', token);
 * const releases = await api.get('/api/v1/releases');
 */
export function apiClient(url: string, token: string | undefined, code?: string): ApiClient {
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(code !== undefined && { [CODE_HEADER]: code }),
  };
  return {
    url,
    get: async (path, query) => json(await ask('GET', path, query)),
    bytes: (path) => ask('GET', path, {}),
    post: async (path, body, query) => json(await ask('POST', path, query, body)),
  };

  async function ask(method: string, path: string, query: Query = {}, body?: unknown): Promise<Uint8Array> {
    const address = new URL(path, url);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) address.searchParams.set(name, value);
    try {
      const response = await fetch(address, {
        method,
        headers: { ...headers, ...typeOf(body) },
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        redirect: 'error', // the token is for this server alone
        ...(body !== undefined && { body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body) }),
      });
      const bytes = await readBody(response);
      if (response.ok) return bytes;
      throw refusalOf(response.status, parsed(bytes));
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `${address.origin} does not answer${why(cause)}`, { cause });
    }
  }
}

function typeOf(body: unknown): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json' };
}

async function readBody(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    demand(length <= ANSWER_BYTES_MAX, 'TOO_LARGE', `the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function json(bytes: Uint8Array): unknown {
  const value = parsed(bytes);
  demand(value !== undefined, 'UNREACHABLE', 'the server answers something else than JSON');
  return value;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** `ECONNREFUSED` and its like; undici hides them one level down. */
function why(cause: unknown): string {
  const inner = (cause as { cause?: { code?: unknown } }).cause?.code;
  return typeof inner === 'string' ? ` (${inner})` : '';
}
