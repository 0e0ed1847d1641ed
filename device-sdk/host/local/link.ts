/** A child's link: everything goes to a gateway near by, which is believed no more than any other network. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { CODES, type Code, codeOf, Refusal } from '../../src/errors.ts';
import { announceTopic, deviceTopic, hex, parseDeviceTopic } from '../../src/format/index.ts';
import type { Link } from '../../src/ports.ts';
import { type DeviceDial, type LinkOptions, linkOver } from '../link.ts';
import { lost, type Wire, type WireEvents } from '../wire.ts';
import { type Address, readAddress } from './address.ts';
import {
  ANNOUNCEMENT,
  ANSWER,
  ASK_LOGIN,
  COMMAND,
  encodeHello,
  encodeMessage,
  HELLO,
  LOGIN,
  type Message,
  MessageReader,
  PING,
  PING_MS,
  READY,
  REFUSAL,
  REPORT,
  REQUEST,
  SILENT_MS,
  STORED,
} from './format.ts';

export interface LocalLinkOptions extends LinkOptions {
  /** `tcp://host:port` or `unix:/path`. */
  url: string;
}

const ANSWER_MS = 10_000;
/**
 * Logins that a gateway may ask for: each is signed, and every 32nd wears the flash. An honest one asks once for each of
 * its own attempts to reach the server, which come ever more slowly.
 */
export const LOGINS_PER_MINUTE = 12;
/** Reports that wait for the gateway's disk, and bytes that wait for the socket. */
const UNFINISHED_MAX = 16;
const BACKLOG_BYTES_MAX = 65_536;

/**
 * The SDK's link of a child of `countersign gateway`: the same requests, answers and reports, over one socket.
 *
 * @example
 * const link = localLink({ url: 'tcp://192.168.4.1:7420', deviceId, classId });
 */
export function localLink(options: LocalLinkOptions): Link {
  const address = readAddress(options.url);
  let login = (): Promise<Uint8Array> => Promise.reject(lost());
  // Over all connections: a gateway that lies may end one whenever it likes.
  const asked: number[] = [];
  const link = linkOver(options, (dial, events) => dialLocal(address, options, dial, events, () => login()));
  return {
    ...link,
    open(events, signed) {
      // The server's connection is lost more often than the gateway's: the gateway asks for a login when it needs one.
      login = () => {
        const now = performance.now();
        while (asked[0] !== undefined && asked[0] <= now - 60_000) asked.shift();
        if (asked.length >= LOGINS_PER_MINUTE) return Promise.reject(new Refusal('RATE_LIMITED', 'too many logins'));
        asked.push(now);
        return signed();
      };
      link.open(events, signed);
    },
  };
}

function dialLocal(
  address: Address,
  { deviceId, classId }: LocalLinkOptions,
  { password }: DeviceDial,
  events: WireEvents,
  login: () => Promise<Uint8Array>,
): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const hello = encodeHello({ deviceId, classId, login: password });
    const wire = new LocalWire(socket, { deviceId, classId }, events, login);
    const limit = setTimeout(() => socket.destroy(lost('the gateway did not answer in time')), ANSWER_MS);
    socket.setNoDelay(true);
    socket.once('connect', () => socket.write(encodeMessage(HELLO, hello)));
    let ready = false;
    wire.ready = () => {
      ready = true;
      clearTimeout(limit);
      resolve(wire);
    };
    socket.once('error', (error) => wire.fail(error));
    socket.once('close', () => {
      clearTimeout(limit);
      wire.ended();
      if (ready) events.closed();
      else reject(wire.failure);
    });
  });
}

class LocalWire implements Wire {
  ready = (): void => undefined;
  #failure: Refusal | undefined;
  readonly #socket: Socket;
  readonly #topics: { answer: string; command: string; announcement: string };
  readonly #events: WireEvents;
  readonly #login: () => Promise<Uint8Array>;
  readonly #reader = new MessageReader();
  readonly #waiting = new Map<string, { stored(): void; lost(): void }>();
  readonly #pings: NodeJS.Timeout;

  constructor(
    socket: Socket,
    { deviceId, classId }: { deviceId: Uint8Array; classId: Uint8Array },
    events: WireEvents,
    login: () => Promise<Uint8Array>,
  ) {
    this.#socket = socket;
    this.#events = events;
    this.#login = login;
    this.#topics = {
      answer: deviceTopic(deviceId, 'frm'),
      command: deviceTopic(deviceId, 'cmd'),
      announcement: announceTopic(classId),
    };
    socket.setTimeout(SILENT_MS, () => socket.destroy(lost('the gateway is silent')));
    socket.on('data', (chunk) => this.#take(chunk));
    this.#pings = setInterval(() => socket.write(encodeMessage(PING)), PING_MS);
  }

  get failure(): Refusal {
    return this.#failure ?? lost('the gateway ended the connection');
  }

  fail(error: unknown): void {
    this.#failure ??= error instanceof Refusal ? error : lost((error as Error).message, error);
  }

  async publish(topic: string, bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed) throw lost();
    if (this.#socket.writableLength > BACKLOG_BYTES_MAX) throw new Refusal('BUSY', 'the gateway does not read');
    if (parseDeviceTopic(topic)?.channel === 'status') return this.#report(bytes);
    this.#socket.write(encodeMessage(REQUEST, bytes));
  }

  close(): void {
    this.#socket.destroy();
  }

  ended(): void {
    clearInterval(this.#pings);
    for (const { lost: end } of [...this.#waiting.values()]) end();
  }

  /** Resolves when the gateway has it on its disk. */
  #report(bytes: Uint8Array): Promise<void> {
    if (this.#waiting.size >= UNFINISHED_MAX) throw new Refusal('BUSY', `${this.#waiting.size} reports are unfinished`);
    const name = createHash('sha256').update(bytes).digest('hex');
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(limit);
        this.#waiting.delete(name);
        settle();
      };
      const gone = () => end(() => reject(lost('the gateway did not store the report')));
      const limit = setTimeout(gone, ANSWER_MS);
      this.#waiting.get(name)?.lost();
      this.#waiting.set(name, { stored: () => end(resolve), lost: gone });
      this.#socket.write(encodeMessage(REPORT, bytes));
    });
  }

  #take(chunk: Uint8Array): void {
    try {
      for (const message of this.#reader.take(chunk)) this.#hear(message);
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }

  #hear({ kind, content }: Message): void {
    if (kind === READY) this.ready();
    else if (kind === ANSWER) this.#events.message(this.#topics.answer, content);
    else if (kind === COMMAND) this.#events.message(this.#topics.command, content);
    else if (kind === ANNOUNCEMENT) this.#events.message(this.#topics.announcement, content);
    else if (kind === STORED) this.#waiting.get(hex(content))?.stored();
    else if (kind === REFUSAL) this.#refused(content);
    else if (kind === ASK_LOGIN) {
      this.#login().then(
        (login) => this.#socket.write(encodeMessage(LOGIN, login)),
        (error) => this.#socket.destroy(lost(codeOf(error), error)),
      );
    }
  }

  /** The code is the gateway's word, as a broker's return code is the broker's. */
  #refused(content: Uint8Array): void {
    const code = new TextDecoder().decode(content.subarray(0, 32)) as Code;
    const known = CODES.includes(code) ? code : 'LINK_LOST';
    this.#socket.destroy(new Refusal(known, 'the gateway refused the connection'));
  }
}
