/**
 * Delivery without MQTT: the same requests, answers, reports and messages, one HTTP exchange each. Routes call it; the
 * distribution server sees one {@link DeliveryPort} whatever way a device has come.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { codeOf, demand } from '@countersign/device-sdk';
import { FRAMES, hex, readRequest } from '@countersign/device-sdk/format';
import { type HttpMessage, POLL_SECONDS } from '@countersign/device-sdk/host/http-format';
import { type Allowance, allowance } from '../allowance.ts';
import { BoundedMap } from '../bounded-map.ts';
import { Bucket, type Rate } from '../bucket.ts';
import { type ServerClock, systemClock } from '../ports.ts';
import { Entering } from './entering.ts';
import type { Authenticate } from './login.ts';
import { type DeviceSession, Mailboxes, UNDER_WAY_MAX } from './mailboxes.ts';
import type { DeliveryPort, DeviceHandler } from './port.ts';

/** Each login costs a signature check and a flush to disk. A site behind one address comes back all at once. */
export const LOGIN_RATE: Rate = { perSecond: 50, burst: 1_024 };
const ADDRESSES_MAX = 16_384;

export interface DoorOptions {
  mqtt: DeliveryPort;
  authenticate: Authenticate;
  clock?: ServerClock;
}

export class Door implements DeliveryPort {
  readonly #mqtt: DeliveryPort;
  readonly #authenticate: Authenticate;
  readonly #clock: ServerClock;
  readonly #boxes: Mailboxes;
  readonly #allowance: Allowance;
  readonly #entering = new Entering();
  readonly #logins = new BoundedMap<Bucket>(ADDRESSES_MAX);
  /** Where the answers to the request go that is being handled. */
  readonly #answers = new AsyncLocalStorage<Uint8Array[]>();
  #onRequest: DeviceHandler | undefined;
  #onReport: DeviceHandler | undefined;

  constructor({ mqtt, authenticate, clock = systemClock }: DoorOptions) {
    this.#mqtt = mqtt;
    this.#authenticate = authenticate;
    this.#clock = clock;
    this.#boxes = new Mailboxes(clock);
    this.#allowance = allowance(clock);
  }

  // --- for the routes ---

  /** @returns the token of a new session. @throws Refusal as loginGate; RATE_LIMITED, BUSY */
  async login(address: string, device: string, statement: Uint8Array): Promise<Uint8Array> {
    const now = this.#clock.elapsedMs();
    const bucket = this.#logins.get(address) ?? new Bucket(LOGIN_RATE, now);
    this.#logins.set(address, bucket);
    demand(bucket.take(1, now), 'RATE_LIMITED', 'too many logins from one address');
    return this.#entering.login(device, async (check) => {
      const principal = await this.#authenticate({ clientId: device, username: device, password: statement });
      demand(principal.role === 'device', 'NOT_PERMITTED', 'this door is for devices');
      check();
      return this.#boxes.open(principal.deviceId, principal.classId);
    });
  }

  /** @throws Refusal UNAUTHORIZED, NOT_PERMITTED (another device's token) */
  session(token: Uint8Array, device: string): DeviceSession {
    const session = this.#boxes.session(token);
    demand(hex(session.deviceId) === device, 'NOT_PERMITTED', 'a device asks for itself');
    return session;
  }

  /** The answer to one request; undefined where it is met with silence. Frames are asked for by range. */
  async request(session: DeviceSession, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    demand(readRequest(bytes).kind !== FRAMES, 'UNSUPPORTED', 'frames are asked for by range');
    const answers: Uint8Array[] = [];
    await counted(session, () => this.#answers.run(answers, async () => this.#onRequest?.(session.deviceId, bytes)));
    return answers[0];
  }

  /** Takes a report; its acknowledgement is a message. */
  report(session: DeviceSession, bytes: Uint8Array): void {
    void this.#onReport?.(session.deviceId, bytes);
  }

  messages(session: DeviceSession, heard: number, waitMs = POLL_SECONDS * 1000): Promise<readonly HttpMessage[]> {
    return counted(session, () => this.#boxes.take(session, heard, waitMs));
  }

  /** @throws Refusal RATE_LIMITED */
  spend(session: DeviceSession, bytes: number): void {
    const { deviceId } = session;
    const allowed = this.#allowance.message(deviceId) && this.#allowance.bytes(deviceId, bytes);
    demand(allowed, 'RATE_LIMITED', `${bytes} more bytes are too many now`);
  }

  /** Ends the session of a device that was revoked. */
  disconnect(deviceId: Uint8Array): void {
    this.#entering.end(hex(deviceId));
    this.#boxes.end(deviceId);
  }

  /** Answers every poll, and forgets every session. */
  endAll(): void {
    this.#boxes.close();
  }

  // --- for the distribution server ---

  get connected(): boolean {
    return this.#mqtt.connected;
  }

  /** Devices with a session. */
  get sessions(): number {
    return this.#boxes.size;
  }

  queues() {
    return this.#mqtt.queues?.() ?? [];
  }

  counts() {
    return this.#mqtt.counts();
  }

  onRequest(handler: DeviceHandler): void {
    this.#onRequest = handler;
    this.#mqtt.onRequest(handler);
  }

  onReport(handler: DeviceHandler): void {
    this.#onReport = handler;
    this.#mqtt.onReport(handler);
  }

  publishHead(bytes: Uint8Array): Promise<boolean> {
    return this.#mqtt.publishHead(bytes);
  }

  async publishAnnouncement(classId: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    const published = await this.#mqtt.publishAnnouncement(classId, bytes);
    this.#boxes.announce(classId, new Uint8Array(bytes));
    return published;
  }

  /**
   * An answer goes the way its request came. A message goes both ways where the device has a session here: it may have
   * gone back to MQTT a moment ago, and takes each message once.
   */
  async send(deviceId: Uint8Array, channel: 'frm' | 'cmd', bytes: Uint8Array): Promise<void> {
    const answers = this.#answers.getStore();
    if (channel === 'frm' && answers) {
      answers.push(bytes);
      return;
    }
    const left = channel === 'cmd' && this.#boxes.send(deviceId, bytes);
    try {
      await this.#mqtt.send(deviceId, channel, bytes);
    } catch (error) {
      if (!left || (codeOf(error) !== 'LINK_LOST' && codeOf(error) !== 'BUSY')) throw error;
    }
  }

  async close(): Promise<void> {
    this.endAll();
    await this.#mqtt.close();
  }
}

/** @throws Refusal BUSY */
async function counted<T>(session: DeviceSession, work: () => Promise<T>): Promise<T> {
  demand(session.underWay < UNDER_WAY_MAX, 'BUSY', `${session.underWay} requests of this device are being answered`);
  session.underWay++;
  try {
    return await work();
  } finally {
    session.underWay--;
  }
}
