/**
 * Broker and radio in memory: logins judged by the true gate, messages that arrive as events of the virtual clock, and
 * faults on their way. Above one connection the devices use the production code of the SDK (host/link).
 */

import type { Authenticate } from '@countersign/broker/distribution/delivery/login';
import type { DeliveryPort, DeviceHandler } from '@countersign/broker/distribution/delivery/port';
import { demand, type Refusal } from '@countersign/device-sdk';
import { announceTopic, deviceTopic, hex, parseDeviceTopic } from '@countersign/device-sdk/format';
import type { DeviceDial } from '@countersign/device-sdk/host/link';
import { lost, type Wire, type WireEvents } from '@countersign/device-sdk/host/wire';
import type { Profile } from '../fleet/profile.ts';
import { altered, type Fate, fateOf, type VirtualRates } from './faults.ts';
import type { VirtualTime } from './time.ts';

/** From a device to the server and back, each way. It differs by device, so that a fleet does not march in step. */
const WAY_MS = [8, 60] as const;
/** A publish that is not acknowledged in this time ends its connection, as over TCP. */
const ANSWER_MS = 10_000;
/** What a lying gateway remembers of each kind of message. */
const HEARD_MAX = 64;

interface Session {
  device: number;
  deviceId: string;
  classId: string;
  events: WireEvents;
  open: boolean;
  unfinished: Set<(error: Refusal) => void>;
}

interface Outgoing {
  session: Session;
  topic: string;
  bytes: Uint8Array;
}

export interface NetworkOptions {
  seed: string;
  time: VirtualTime;
  authenticate: Authenticate;
  rates(): VirtualRates;
}

export class VirtualNetwork implements DeliveryPort {
  readonly #options: NetworkOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #retained = new Map<string, Uint8Array>();
  /** Messages that each device has sent and was sent, over all its connections. */
  readonly #numbers = new Map<number, number>();
  readonly #heard = new Map<string, Uint8Array[]>();
  readonly #counts = { received: 0, dropped: 0, failed: 0, sent: 0, connects: 0 };
  readonly faults: Record<Fate['kind'], number> = {
    ...{ lost: 0, disconnected: 0, late: 0, twice: 0, altered: 0, replayed: 0 },
  };
  #outbox: Outgoing[] = [];
  #request: DeviceHandler = () => undefined;
  #report: DeviceHandler = () => undefined;
  #up = true;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  // --- what the server has of it ---

  async publishAnnouncement(classId: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    const topic = announceTopic(classId);
    this.#retained.set(topic, bytes);
    for (const session of this.#sessions.values()) {
      if (session.classId === hex(classId)) this.#outbox.push({ session, topic, bytes });
    }
    return true;
  }

  async publishHead(): Promise<boolean> {
    return true;
  }

  async send(deviceId: Uint8Array, channel: 'frm' | 'cmd', bytes: Uint8Array): Promise<void> {
    if (!this.#up) throw lost();
    this.#counts.sent++;
    const session = this.#sessions.get(hex(deviceId));
    if (session) this.#outbox.push({ session, topic: deviceTopic(deviceId, channel), bytes });
  }

  onRequest(handler: DeviceHandler): void {
    this.#request = handler;
  }

  onReport(handler: DeviceHandler): void {
    this.#report = handler;
  }

  get connected(): boolean {
    return this.#up;
  }

  counts() {
    return { ...this.#counts };
  }

  async close(): Promise<void> {}

  // --- what the world has of it ---

  /** The server went away: every connection ends, and no new one is made. */
  takeDown(): void {
    this.#up = false;
    this.#outbox = [];
    for (const session of inOrder(this.#sessions)) this.#end(session);
  }

  bringUp(): void {
    this.#up = true;
  }

  /**
   * Sends what the server said during the last event. Two parts of it may have spoken in either order, for the disk
   * decides which was first: devices in the order of their numbers are the same in every run.
   */
  flush(): void {
    const outbox = this.#outbox;
    this.#outbox = [];
    outbox.sort((a, b) => a.session.device - b.session.device);
    for (const { session, topic, bytes } of outbox) {
      this.#carry(session, topic, bytes, (arrived) => session.events.message(topic, arrived));
    }
  }

  /** One connection of a device: the dial of a link. */
  async connect(profile: Profile, { clientId, password }: DeviceDial, events: WireEvents): Promise<Wire> {
    const fate = this.#fate(profile.number);
    await this.#wait(profile.number);
    const refused = fate?.kind === 'lost' || fate?.kind === 'disconnected';
    if (refused || !this.#up) throw lost('no connection');
    const principal = await this.#options.authenticate({ clientId, username: clientId, password });
    demand(principal.role === 'device', 'UNAUTHORIZED', 'only devices connect here');
    await this.#wait(profile.number);
    if (!this.#up) throw lost('no connection');
    const classId = hex(principal.classId);
    const session: Session = {
      device: profile.number,
      deviceId: clientId,
      classId,
      events,
      open: true,
      unfinished: new Set(),
    };
    // A device that comes again takes the place of its own connection that nobody has closed yet (MQTT 3.1.1, 3.1.4).
    const before = this.#sessions.get(clientId);
    if (before) this.#end(before);
    this.#sessions.set(clientId, session);
    this.#counts.connects++;
    const topic = announceTopic(principal.classId);
    const retained = this.#retained.get(topic);
    if (retained) this.#carry(session, topic, retained, (bytes) => events.message(topic, bytes));
    return { publish: (to, bytes, { qos }) => this.#publish(session, to, bytes, qos), close: () => this.#end(session) };
  }

  #publish(session: Session, topic: string, bytes: Uint8Array, qos: 0 | 1): Promise<void> {
    if (!session.open) return Promise.reject(lost());
    const deliver = (arrived: Uint8Array) => this.#receive(session, topic, arrived);
    if (qos === 0) {
      this.#carry(session, topic, bytes, deliver);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const cancel = this.#options.time.after(ANSWER_MS, () => this.#end(session));
      const settle = (error?: Refusal) => {
        cancel();
        session.unfinished.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      session.unfinished.add(settle);
      this.#carry(session, topic, bytes, (arrived) => {
        deliver(arrived);
        this.#carry(session, 'acknowledgement', new Uint8Array(1), () => settle());
      });
    });
  }

  #receive({ deviceId }: Session, topic: string, bytes: Uint8Array): void {
    const named = parseDeviceTopic(topic);
    const own = named && hex(named.deviceId) === deviceId;
    if (!own || !this.#up) {
      this.#counts.dropped++;
      return;
    }
    this.#counts.received++;
    const handler = named.channel === 'status' ? this.#report : this.#request;
    Promise.resolve(handler(named.deviceId, bytes)).catch(() => {
      this.#counts.failed++;
    });
  }

  /** Lets a message come to the other side, in the shape and at the time that its fate has for it. */
  #carry(session: Session, topic: string, bytes: Uint8Array, deliver: (arrived: Uint8Array) => void): void {
    const fate = this.#fate(session.device);
    const arrived = this.#lie(topic, bytes, fate);
    const way = this.#way(session.device);
    const arrive = (ms: number) => {
      this.#options.time.after(ms, () => {
        if (session.open) deliver(arrived);
      });
    };
    switch (fate?.kind) {
      case 'lost':
        return;
      case 'disconnected':
        this.#end(session);
        return;
      case 'late':
        arrive(way + fate.ms);
        return;
      case 'twice':
        arrive(way);
        arrive(way + fate.ms);
        return;
      default:
        arrive(way);
    }
  }

  #lie(topic: string, bytes: Uint8Array, fate: Fate | undefined): Uint8Array {
    const kind = topic.slice(topic.lastIndexOf('/') + 1);
    const heard = this.#heard.get(kind) ?? [];
    this.#heard.set(kind, heard);
    const old = fate?.kind === 'replayed' && heard.length > 0 ? heard[fate.draw % heard.length] : undefined;
    heard.push(bytes);
    if (heard.length > HEARD_MAX) heard.shift();
    return fate?.kind === 'altered' ? altered(bytes, fate.draw) : (old ?? bytes);
  }

  #fate(device: number): Fate | undefined {
    const number = this.#numbers.get(device) ?? 0;
    this.#numbers.set(device, number + 1);
    const fate = fateOf(this.#options.seed, device, number, this.#options.rates());
    if (fate) this.faults[fate.kind]++;
    return fate;
  }

  #end(session: Session): void {
    if (!session.open) return;
    session.open = false;
    if (this.#sessions.get(session.deviceId) === session) this.#sessions.delete(session.deviceId);
    for (const settle of [...session.unfinished]) settle(lost('the connection ended'));
    // As a socket does: after whoever ended it has done what he was doing.
    this.#options.time.after(0, () => session.events.closed());
  }

  #way(device: number): number {
    return WAY_MS[0] + ((device * 37) % WAY_MS[1]);
  }

  #wait(device: number): Promise<void> {
    return new Promise((resolve) => void this.#options.time.after(this.#way(device), resolve as () => void));
  }
}

function inOrder(sessions: ReadonlyMap<string, Session>): Session[] {
  return [...sessions.values()].sort((a, b) => a.device - b.device);
}
