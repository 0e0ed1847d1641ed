/** One HTTP exchange with bounds: time, bytes, no redirects. `fetch` knows no client certificates. */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { CODES, type Code, Refusal } from '../src/errors.ts';
import type { TlsOptions } from './mqtt.ts';
import { lost } from './wire.ts';

export interface HttpCall {
  method: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** For the whole exchange. */
  limitMs: number;
  bytesMax: number;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Uint8Array;
}

export interface HttpClient {
  /** @throws Refusal LINK_LOST where there is no whole answer; the server's code for a refusal, RETRY_AFTER beside it */
  call(call: HttpCall): Promise<HttpAnswer>;
  /** Ends all exchanges. */
  close(): void;
}

/** A poll, an answer, frames, a report. */
const SOCKETS_MAX = 4;
/** A refusal is a short JSON text. */
const REFUSAL_BYTES_MAX = 4_096;

/** What a server asked for beside its refusal. */
export class HttpRefusal extends Refusal {
  readonly status: number;
  readonly retrySeconds: number;
  constructor(code: Code, text: string, status: number, retrySeconds: number) {
    super(code, text);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}

/** @param base `http://host[:port][/prefix]` or `https://…` @throws TypeError for another kind of URL */
export function httpClient(base: string, tls: TlsOptions = {}): HttpClient {
  const url = new URL(base);
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') throw new TypeError(`${base} is no https:// URL`);
  const prefix = url.pathname.replace(/\/$/, '');
  const options = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const agent = secure ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const open = secure ? requestHttps : requestHttp;

  return {
    async call({ method, path, headers, body, limitMs, bytesMax }) {
      const answer = await new Promise<HttpAnswer>((resolve, reject) => {
        const own = body ? { 'content-type': 'application/octet-stream', 'content-length': String(body.length) } : {};
        const request = open({
          ...{ agent, host, port: url.port || undefined, method, path: prefix + path },
          headers: { ...own, ...headers },
        });
        const limit = setTimeout(() => request.destroy(lost(`no answer within ${limitMs} ms`)), limitMs);
        const fail = (error: Error) => {
          clearTimeout(limit);
          reject(error instanceof Refusal ? error : lost(error.message, error));
        };
        request.once('error', fail);
        request.once('response', (response) => {
          collect(response, response.statusCode! < 300 ? bytesMax : REFUSAL_BYTES_MAX).then((bytes) => {
            clearTimeout(limit);
            resolve({ status: response.statusCode!, headers: response.headers, body: bytes });
          }, fail);
        });
        request.end(body);
      });
      if (answer.status >= 300) throw refusalOf(answer);
      return answer;
    },
    close: () => agent.destroy(),
  };
}

/** A server may say any length, or none, and send on for ever. */
async function collect(response: IncomingMessage, most: number): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > most) {
      response.destroy();
      throw new Refusal('TOO_LARGE', `an answer of more than ${most} bytes`);
    }
    pieces.push(piece);
  }
  if (!response.complete) throw lost('the answer is not whole');
  return new Uint8Array(Buffer.concat(pieces));
}

const TEXT_CHARS_MAX = 200;

function refusalOf({ status, headers, body }: HttpAnswer): HttpRefusal {
  const retry = Math.min(Number(headers['retry-after'] ?? 0) || 0, 86_400);
  try {
    const { code, text } = JSON.parse(new TextDecoder().decode(body)) as { code: Code; text: string };
    if (CODES.includes(code) && typeof text === 'string')
      return new HttpRefusal(code, text.slice(0, TEXT_CHARS_MAX).replace(/\p{Cc}/gu, ' '), status, retry);
  } catch {
    // a proxy's page
  }
  const refused = status === 401 || status === 403;
  return new HttpRefusal(refused ? 'UNAUTHORIZED' : 'LINK_LOST', `the server answers ${status}`, status, retry);
}
