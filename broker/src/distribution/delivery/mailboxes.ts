/** Messages that wait for devices without MQTT, until they have said that they heard them. */
import { createHash, randomBytes } from 'node:crypto';
import { demand } from '@countersign/device-sdk';
import { equal, hex } from '@countersign/device-sdk/format';
import {
  CHANNEL_ANNOUNCE,
  CHANNEL_COMMAND,
  type HttpMessage,
  MESSAGES_MAX,
  TOKEN_BYTES,
} from '@countersign/device-sdk/host/http-format';
import type { ServerClock } from '../ports.ts';

/** As many devices as the MQTT broker takes: a session with its announcement has some 12 KB at most, commonly one. */
export const SESSIONS_MAX = 20_000;
/** A device that polls is heard of every half minute; after this long it is gone. */
export const SESSION_SECONDS = 900;
/** What one device waits for at once: a poll, an answer, frames, a report. */
export const UNDER_WAY_MAX = 6;

export interface DeviceSession {
  readonly deviceId: Uint8Array;
  readonly classId: Uint8Array;
  /** Requests that are being answered. */
  underWay: number;
}

interface Session extends DeviceSession {
  name: string;
  token: string;
  usedMs: number;
  next: number;
  messages: HttpMessage[];
  wake: () => void;
}

export class Mailboxes {
  readonly #clock: ServerClock;
  readonly #byToken = new Map<string, Session>();
  readonly #byDevice = new Map<string, Session>();
  readonly #announced = new Map<string, Uint8Array>();

  constructor(clock: ServerClock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#byDevice.size;
  }

  /** Begins a session; an older one of this device ends. @throws Refusal BUSY */
  open(deviceId: Uint8Array, classId: Uint8Array): Uint8Array {
    this.end(deviceId);
    if (this.size >= SESSIONS_MAX) this.#endUnused();
    demand(this.size < SESSIONS_MAX, 'BUSY', `${SESSIONS_MAX} devices have sessions`);
    const token = new Uint8Array(randomBytes(TOKEN_BYTES));
    const session: Session = {
      ...{ deviceId, classId, name: hex(deviceId), token: keyOf(token), underWay: 0 },
      ...{ usedMs: this.#clock.elapsedMs(), next: 1, messages: [], wake: () => undefined },
    };
    this.#byToken.set(session.token, session);
    this.#byDevice.set(session.name, session);
    const announced = this.#announced.get(hex(classId));
    if (announced) put(session, CHANNEL_ANNOUNCE, announced);
    return token;
  }

  /** Whose token that is. @throws Refusal UNAUTHORIZED */
  session(token: Uint8Array): DeviceSession {
    const session = this.#byToken.get(keyOf(token));
    const fresh = session && this.#clock.elapsedMs() - session.usedMs <= SESSION_SECONDS * 1000;
    if (session && !fresh) this.#remove(session);
    demand(session && fresh, 'UNAUTHORIZED', 'no session has this token: log in');
    session.usedMs = this.#clock.elapsedMs();
    return session;
  }

  /** Ends a device's session, for instance when it has been revoked. */
  end(deviceId: Uint8Array): void {
    const session = this.#byDevice.get(hex(deviceId));
    if (session) this.#remove(session);
  }

  /** True where the device has a session. What finds no place is dropped: the device asks, or reports, again. */
  send(deviceId: Uint8Array, bytes: Uint8Array): boolean {
    const session = this.#byDevice.get(hex(deviceId));
    if (!session) return false;
    if (session.messages.length < MESSAGES_MAX - 1) put(session, CHANNEL_COMMAND, bytes);
    return true;
  }

  announce(classId: Uint8Array, bytes: Uint8Array): void {
    this.#announced.set(hex(classId), bytes);
    for (const session of this.#byDevice.values()) {
      if (!equal(session.classId, classId)) continue;
      session.messages = session.messages.filter(({ channel }) => channel !== CHANNEL_ANNOUNCE);
      put(session, CHANNEL_ANNOUNCE, bytes);
    }
  }

  /** Forgets what was heard, and gives what waits, or what comes within this time. */
  async take(found: DeviceSession, heard: number, waitMs: number): Promise<readonly HttpMessage[]> {
    const session = found as Session;
    session.messages = session.messages.filter(({ number }) => number > heard);
    if (session.messages.length === 0) await this.#arrival(session, waitMs);
    return session.messages;
  }

  /** Nobody waits any longer. */
  close(): void {
    for (const session of [...this.#byDevice.values()]) this.#remove(session);
  }

  /** One poll waits at a time: a second one of the same device answers the first. */
  #arrival(session: Session, waitMs: number): Promise<void> {
    session.wake();
    return new Promise((resolve) => {
      const cancel = this.#clock.after(waitMs, () => session.wake());
      session.wake = () => {
        cancel();
        session.wake = () => undefined;
        resolve();
      };
    });
  }

  #remove(session: Session): void {
    this.#byToken.delete(session.token);
    if (this.#byDevice.get(session.name) === session) this.#byDevice.delete(session.name);
    session.wake();
  }

  #endUnused(): void {
    const now = this.#clock.elapsedMs();
    for (const session of [...this.#byDevice.values()])
      if (now - session.usedMs > SESSION_SECONDS * 1000) this.#remove(session);
  }
}

function put(session: Session, channel: HttpMessage['channel'], bytes: Uint8Array): void {
  session.messages.push({ number: session.next++, channel, bytes });
  session.wake();
}

/** A map that is looked up by a secret tells by its time how much of it was right; by its digest it tells nothing. */
function keyOf(token: Uint8Array): string {
  return createHash('sha256').update(token).digest('hex');
}
