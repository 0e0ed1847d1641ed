import { codeOf, demand, Refusal } from '../src/errors.ts';
import {
  ANSWER_BYTES_MAX,
  announceTopic,
  deviceTopic,
  encodeAnswer,
  FRAMES,
  HASH_BYTES,
  hex,
  parseDeviceTopic,
  REFUSED,
  type Request,
  readRequest,
} from '../src/format/index.ts';
import type { Link } from '../src/ports.ts';
import { type HttpClient, HttpRefusal, httpClient } from './http-call.ts';
import {
  CHANNEL_ANNOUNCE,
  FRAME_BYTES_HEADER,
  HTTP_ROOT,
  MESSAGES_BYTES_MAX,
  POLL_SECONDS,
  readMessages,
  readSession,
} from './http-format.ts';
import { type DeviceDial, type LinkOptions, linkOver } from './link.ts';
import type { TlsOptions } from './mqtt.ts';
import { lost, type Wire, type WireEvents } from './wire.ts';

export interface HttpLinkOptions extends LinkOptions {
  /** `https://host[:port][/prefix]`, or `http://` where something else keeps the way safe. */
  url: string;
  tls?: TlsOptions;
}

/**
 * The SDK's link without MQTT: a login, then one long poll after another; frames by range of bytes. The same login,
 * requests, answers and reports as over MQTT, so the server cannot tell more and the device believes no more.
 *
 * @example
 * const link = httpLink({ url: 'https://updates.example', deviceId, classId });
 */
export function httpLink(options: HttpLinkOptions): Link {
  const { url, tls, classId } = options;
  httpClient(url).close();
  return linkOver(options, (dial, events) => dialHttp(httpClient(url, tls), dial, classId, events));
}

const ANSWER_MS = 10_000;
/** Beyond the time in which the server answers a poll. */
const POLL_MS = POLL_SECONDS * 1000 + 10_000;
/** A server that answers polls at once, and with nothing, is asked no more often than this. */
const IDLE_MS = 1_000;
/** Together less than the SDK waits for an answer. */
const BUSY_MS_MAX = 2_000;
const BUSY_TRIES_MAX = 4;
const SESSION_BYTES_MAX = 128;
/** Frames of 4 KB at most, 32 at a time. */
const RANGE_BYTES_MAX = 32 * (4_096 + HASH_BYTES);
const FRAME_BYTES_MAX = 4_096;

async function dialHttp(client: HttpClient, dial: DeviceDial, classId: Uint8Array, events: WireEvents): Promise<Wire> {
  const root = `${HTTP_ROOT}/d/${dial.clientId}`;
  try {
    const answer = await client.call({
      ...{ method: 'POST', path: `${root}/login`, body: dial.password },
      ...{ limitMs: ANSWER_MS, bytesMax: SESSION_BYTES_MAX },
    });
    const { token } = readSession(answer.body);
    return new HttpWire(client, root, dial.clientId, hex(token), announceTopic(classId), events);
  } catch (error) {
    client.close();
    throw error instanceof Refusal ? error : lost(codeOf(error), error);
  }
}

class HttpWire implements Wire {
  readonly #client: HttpClient;
  readonly #root: string;
  readonly #headers: Record<string, string>;
  readonly #topics: { answer: string; command: string; announcement: string };
  readonly #events: WireEvents;
  readonly #payloads: RangedPayloads;
  #closed = false;
  #rest: (() => void) | undefined;

  constructor(
    client: HttpClient,
    root: string,
    device: string,
    token: string,
    announcement: string,
    events: WireEvents,
  ) {
    const id = Buffer.from(device, 'hex');
    this.#client = client;
    this.#root = root;
    this.#headers = { authorization: `Bearer ${token}` };
    this.#topics = { answer: deviceTopic(id, 'frm'), command: deviceTopic(id, 'cmd'), announcement };
    this.#events = events;
    this.#payloads = new RangedPayloads((path, range, bytesMax) =>
      this.#client.call({
        ...{ method: 'GET', path: `${root}/p/${path}`, headers: { ...this.#headers, range } },
        ...{ limitMs: ANSWER_MS, bytesMax },
      }),
    );
    void this.#listen();
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (this.#closed) throw lost();
    const report = parseDeviceTopic(topic)?.channel === 'status';
    try {
      if (report) await this.#post('status', bytes, 0);
      else await this.#ask(bytes);
    } catch (error) {
      this.#judge(error);
      throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rest?.();
    this.#client.close();
    this.#events.closed();
  }

  /** One poll after another, until the connection or the session is gone. */
  async #listen(): Promise<void> {
    // `up` is told first: whoever made this wire does not have it yet.
    await new Promise((resolve) => setImmediate(resolve));
    for (let heard = 0; !this.#closed; ) {
      const began = performance.now();
      try {
        const { body } = await this.#client.call({
          ...{ method: 'GET', path: `${this.#root}/msg?after=${heard}`, headers: this.#headers },
          ...{ limitMs: POLL_MS, bytesMax: MESSAGES_BYTES_MAX },
        });
        const messages = readMessages(body);
        for (const { number, channel, bytes } of messages) {
          heard = Math.max(heard, number);
          this.#events.message(this.#topics[channel === CHANNEL_ANNOUNCE ? 'announcement' : 'command'], bytes);
        }
        if (messages.length === 0) await this.#pause(IDLE_MS - (performance.now() - began));
      } catch (error) {
        if (!this.#judge(error)) await this.#pause(Math.max(IDLE_MS, retryMs(error)));
      }
    }
  }

  async #ask(bytes: Uint8Array): Promise<void> {
    const request = readRequest(bytes);
    if (request.kind === FRAMES) return this.#frames(request);
    const answer = await this.#post('req', bytes, ANSWER_BYTES_MAX);
    if (answer.length > 0) this.#events.message(this.#topics.answer, answer);
  }

  /** Each frame becomes the answer that MQTT would have brought. */
  async #frames(request: Extract<Request, { kind: typeof FRAMES }>): Promise<void> {
    const { id, kind } = request;
    try {
      for (const { index, frame } of await this.#patiently(() => this.#payloads.frames(request)))
        this.#events.message(this.#topics.answer, encodeAnswer({ id, kind, index, frame }));
    } catch (error) {
      if (!(error instanceof HttpRefusal) || error.status === 401) throw error;
      const answer = encodeAnswer({ id, kind: REFUSED, code: error.code, retrySeconds: error.retrySeconds });
      this.#events.message(this.#topics.answer, answer);
    }
  }

  /** A server that is busy for a few seconds is asked again here: the device would begin a new fetch. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const ms = retryMs(error);
        if (ms === 0 || ms > BUSY_MS_MAX || tries === BUSY_TRIES_MAX) throw error;
        await this.#pause(ms);
        if (this.#closed) throw lost();
      }
    }
  }

  async #post(what: string, body: Uint8Array, bytesMax: number): Promise<Uint8Array> {
    const headers = this.#headers;
    const call = {
      method: 'POST',
      path: `${this.#root}/${what}`,
      headers,
      body,
      limitMs: ANSWER_MS,
      bytesMax,
    } as const;
    return (await this.#client.call(call)).body;
  }

  /** @returns true where this was the end: no whole answer, or no session any more. A refusal is only a refusal. */
  #judge(error: unknown): boolean {
    const goesOn = error instanceof HttpRefusal && error.status !== 401 && error.code !== 'LINK_LOST';
    if (!goesOn) this.close();
    return !goesOn;
  }

  #pause(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#rest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function retryMs(error: unknown): number {
  return error instanceof HttpRefusal ? error.retrySeconds * 1000 : 0;
}

type GetRange = (name: string, range: string, bytesMax: number) => Promise<{ headers: object; body: Uint8Array }>;

/**
 * Frames by ranges of bytes. How long a frame is, the server says with the first byte; should it lie, no frame fits the
 * chain. What is asked for lies wholly inside the payload.
 */
class RangedPayloads {
  readonly #get: GetRange;
  #known: { name: string; frame: number; all: number } | undefined;

  constructor(get: GetRange) {
    this.#get = get;
  }

  async frames({ chainHead, first, count }: Extract<Request, { kind: typeof FRAMES }>) {
    const name = hex(chainHead);
    const { frame, all } = await this.#sizes(name);
    const start = first * frame;
    const end = Math.min((first + count) * frame, all);
    if (start >= end) return [];
    const { body } = await this.#get(name, `bytes=${start}-${end - 1}`, RANGE_BYTES_MAX);
    demand(body.length === end - start, 'LINK_LOST', `${body.length} bytes of a range of ${end - start}`);
    const found: { index: number; frame: Uint8Array }[] = [];
    for (let at = 0; at < body.length; at += frame)
      found.push({ index: first + at / frame, frame: body.subarray(at, at + frame) });
    return found;
  }

  async #sizes(name: string): Promise<{ frame: number; all: number }> {
    if (this.#known?.name === name) return this.#known;
    const { headers } = await this.#get(name, 'bytes=0-0', RANGE_BYTES_MAX);
    const { 'content-range': range = '', [FRAME_BYTES_HEADER]: frameBytes } = headers as Record<string, string>;
    const all = Number(/^bytes 0-0\/(\d{1,10})$/.exec(range)?.[1] ?? 0);
    const bytes = Number(frameBytes);
    const good = all > 0 && Number.isInteger(bytes) && bytes > 0 && bytes <= FRAME_BYTES_MAX;
    demand(good, 'LINK_LOST', 'the server does not say how long frames are');
    this.#known = { name, frame: bytes + HASH_BYTES, all };
    return this.#known;
  }
}
