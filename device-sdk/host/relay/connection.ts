/** One socket of a child: bounded in what it may send, in what waits for it, and in how long it may be silent. */
import type { Socket } from 'node:net';
import { type Code, codeOf, demand } from '../../src/errors.ts';
import { statementBytesMax } from '../../src/format/statement.ts';
import {
  ASK_LOGIN,
  encodeMessage,
  HELLO,
  type Hello,
  LOGIN,
  type Message,
  MessageReader,
  PING,
  READY,
  REFUSAL,
  REPORT,
  REQUEST,
  readHello,
  SILENT_MS,
} from '../local/format.ts';
import { lost } from '../wire.ts';

/** From the first byte to a whole hello. */
const HELLO_MS = 10_000;
const LOGIN_MS = 10_000;
/** For a child that does not read why it is told to go. */
const OVER_MS = 2_000;
/** Unsent bytes kept for a child: a window of the largest frames. What comes on top is dropped, and asked for again. */
const BACKLOG_BYTES_MAX = 262_144;

export interface ConnectionEvents {
  /** @throws Refusal: the child is told its code, and the connection ends */
  hello(hello: Hello): void;
  request(bytes: Uint8Array): void;
  report(bytes: Uint8Array): void;
  /** Told once. */
  closed(why: Code | undefined): void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader = new MessageReader();
  #greeted = false;
  #why: Code | undefined;
  #over: NodeJS.Timeout | undefined;
  #logins: { resolve(login: Uint8Array): void; reject(error: unknown): void }[] = [];
  /** Messages dropped because the child did not read. */
  dropped = 0;

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    const limit = setTimeout(() => this.end('LINK_LOST'), HELLO_MS);
    socket.setNoDelay(true);
    socket.setTimeout(SILENT_MS, () => this.end('LINK_LOST'));
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.#take(chunk);
      if (this.#greeted) clearTimeout(limit);
    });
    socket.once('close', () => {
      clearTimeout(limit);
      clearTimeout(this.#over);
      for (const { reject } of this.#logins.splice(0)) reject(lost('the child is gone'));
      events.closed(this.#why);
    });
  }

  send(kind: number, content?: Uint8Array): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength > BACKLOG_BYTES_MAX) this.dropped++;
    else this.#socket.write(encodeMessage(kind, content));
  }

  /** A fresh login statement. @throws Refusal LINK_LOST */
  askLogin(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(lost('the child signs no login')), LOGIN_MS);
      this.#logins.push({
        resolve: (login) => {
          clearTimeout(limit);
          resolve(login);
        },
        reject: (error) => {
          clearTimeout(limit);
          reject(error);
        },
      });
      this.send(ASK_LOGIN);
    });
  }

  /** Tells a code, and ends the connection. */
  end(code: Code): void {
    if (this.#why !== undefined || this.#socket.destroyed) return;
    this.#why = code;
    this.#socket.write(encodeMessage(REFUSAL, new TextEncoder().encode(code)));
    this.#socket.destroySoon();
    // What still comes is read and dropped: unread bytes would make the system take the refusal back.
    this.#over = setTimeout(() => this.#socket.destroy(), OVER_MS);
  }

  #take(chunk: Uint8Array): void {
    if (this.#why !== undefined) return;
    try {
      for (const message of this.#reader.take(chunk)) this.#hear(message);
    } catch (error) {
      this.end(codeOf(error));
    }
  }

  #hear({ kind, content }: Message): void {
    if (!this.#greeted) {
      demand(kind === HELLO, 'MALFORMED', 'the first message is no hello');
      this.#events.hello(readHello(content));
      this.#greeted = true;
      this.send(READY);
    } else if (kind === REQUEST) this.#events.request(content);
    else if (kind === REPORT) this.#events.report(content);
    else if (kind === LOGIN) {
      demand(content.length <= statementBytesMax('login'), 'TOO_LARGE', 'a login statement');
      this.#logins.shift()?.resolve(content);
    } else if (kind === PING) this.send(PING);
    else demand(false, 'MALFORMED', `a child does not send kind ${kind}`);
  }
}
