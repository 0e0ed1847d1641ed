import { demand, Refusal } from '@countersign/device-sdk';
import {
  ANNOUNCEMENT_BYTES_MAX,
  ANSWER_BYTES_MAX,
  announceTopic,
  deviceTopic,
  parseDeviceTopic,
  TOPIC_HEAD,
  utf8,
} from '@countersign/device-sdk/format';
import { dialMqtt, type TlsOptions } from '@countersign/device-sdk/host/mqtt';
import { systemEntropy, systemTimer } from '@countersign/device-sdk/host/system';
import { type Backoff, lost, Reconnecting, type Wire } from '@countersign/device-sdk/host/wire';
import type { QueueState } from '../../queue-state.ts';
import { INBOUND_LIMITS, Inbound, type InboundLimits } from './inbound.ts';
import type { DeliveryCounts, DeliveryPort, DeviceHandler } from './port.ts';
import { DISTRIBUTION, REPORTS_FILTER, REQUESTS_FILTER } from './rights.ts';

export interface DeliveryCredentials {
  /** Client id and user name, default `distribution`: what the embedded broker demands. */
  username?: string;
  password: string;
  /** For `mqtts:`; `key` and `cert` where the broker demands them of its clients. */
  tls?: TlsOptions;
  /** In PEM: the certificate that the broker must show. */
  pin?: string | Buffer;
}

export interface DeliveryClientOptions {
  /** How long the first connection may take. Afterwards it reconnects for ever. Default 10 s. */
  connectMs?: number;
  backoff?: Partial<Backoff>;
  inbound?: Partial<InboundLimits>;
  /** Told why a connection could not be made. */
  onTrouble?: (error: unknown) => void;
}

/** Classes with an announcement, and the head. Each is kept here with its 11 KB. */
export const RETAINED_MAX = 1_024;
/** Sends that the socket or the broker has not taken yet. Each may hold 24 KB. */
export const UNFINISHED_MAX = 1_024;
/** The largest message to hear is a report of about 1 KB. */
const PACKET_BYTES_MAX = 16_384;
const CONNECT_MS = 10_000;
/** The server is the first whom a restarted broker should have back. */
const SERVER_BACKOFF: Readonly<Backoff> = { firstMs: 100, longestMs: 2_000, stableMs: 5_000 };
const FILTERS = new Map<string, 0 | 1>([
  [REQUESTS_FILTER, 0],
  [REPORTS_FILTER, 1],
]);

/**
 * Connects the distribution server to its broker: the embedded one, Mosquitto or any other of MQTT 3.1.1.
 *
 * @example
 * const delivery = await connectDelivery('mqtt://127.0.0.1:1883', { password: secret });
 * delivery.onRequest((deviceId, bytes) => answer(deviceId, bytes));
 * @param url `mqtt://host:port` or `mqtts://host:port`
 * @throws Refusal UNAUTHORIZED, LINK_LOST when the first connection fails; TypeError for another kind of URL
 */
export async function connectDelivery(
  url: string,
  credentials: DeliveryCredentials,
  options: DeliveryClientOptions = {},
): Promise<DeliveryPort> {
  const client = new DeliveryClient(url, credentials, options);
  await client.opened;
  return client;
}

class DeliveryClient implements DeliveryPort {
  /** Settles with the first connection. */
  readonly opened: Promise<void>;
  readonly #connection: Reconnecting;
  readonly #counts: DeliveryCounts = { received: 0, dropped: 0, failed: 0, sent: 0, connects: 0 };
  readonly #requests: Inbound;
  readonly #reports: Inbound;
  readonly #retained = new Map<string, Uint8Array>();
  #retainedRefused = 0;

  constructor(url: string, credentials: DeliveryCredentials, options: DeliveryClientOptions) {
    const limits = { ...INBOUND_LIMITS, ...options.inbound };
    this.#requests = new Inbound(this.#counts, limits);
    this.#reports = new Inbound(this.#counts, limits);
    const first = { resolve: (): void => undefined, reject: (_error: unknown): void => undefined };
    this.opened = new Promise((resolve, reject) => Object.assign(first, { resolve, reject }));
    const dial = {
      url,
      clientId: credentials.username ?? DISTRIBUTION,
      password: utf8(credentials.password),
      filters: FILTERS,
      bytesMax: PACKET_BYTES_MAX,
      unfinishedMax: UNFINISHED_MAX,
      ...(credentials.tls && { tls: credentials.tls }),
      ...(credentials.pin && { pin: credentials.pin }),
    };
    this.#connection = new Reconnecting({
      dial: (events) => dialMqtt({ ...dial, answerMs: options.connectMs ?? CONNECT_MS }, events),
      timer: systemTimer(),
      entropy: systemEntropy(),
      backoff: { ...SERVER_BACKOFF, ...options.backoff },
      up: (wire) => {
        this.#up(wire);
        first.resolve();
      },
      down: () => undefined,
      message: (topic, bytes) => this.#received(topic, bytes),
      trouble: (error) => {
        options.onTrouble?.(error);
        if (this.#counts.connects > 0) return;
        this.#connection.close();
        first.reject(error);
      },
    });
    this.#connection.open();
  }

  get connected(): boolean {
    return this.#connection.wire !== undefined;
  }

  counts(): DeliveryCounts {
    return { ...this.#counts };
  }

  queues(): QueueState[] {
    const announcements = { name: 'announcements', length: this.#retained.size, limit: RETAINED_MAX };
    return [
      this.#requests.state('requests'),
      this.#reports.state('reports'),
      { ...announcements, dropped: this.#retainedRefused },
    ];
  }

  onRequest(handler: DeviceHandler): void {
    this.#requests.handler = handler;
  }

  onReport(handler: DeviceHandler): void {
    this.#reports.handler = handler;
  }

  async publishAnnouncement(classId: Uint8Array, bytes: Uint8Array): Promise<boolean> {
    return this.#retain(announceTopic(classId), bytes);
  }

  async publishHead(bytes: Uint8Array): Promise<boolean> {
    return this.#retain(TOPIC_HEAD, bytes);
  }

  async send(deviceId: Uint8Array, channel: 'frm' | 'cmd', bytes: Uint8Array): Promise<void> {
    demand(bytes.length <= ANSWER_BYTES_MAX, 'TOO_LARGE', `${bytes.length} bytes for a device`);
    const wire = this.#connection.wire;
    if (wire === undefined) throw lost();
    await wire.publish(deviceTopic(deviceId, channel), bytes, { qos: channel === 'cmd' ? 1 : 0 });
    this.#counts.sent++;
  }

  async close(): Promise<void> {
    this.#requests.close();
    this.#reports.close();
    this.#connection.close();
  }

  async #retain(topic: string, bytes: Uint8Array): Promise<boolean> {
    demand(bytes.length <= ANNOUNCEMENT_BYTES_MAX, 'TOO_LARGE', `${bytes.length} bytes for ${topic}`);
    const known = this.#retained.has(topic);
    if (!known && this.#retained.size >= RETAINED_MAX) {
      this.#retainedRefused++;
      throw new Refusal('BUSY', `${RETAINED_MAX} topics are retained already`);
    }
    this.#retained.set(topic, new Uint8Array(bytes));
    const wire = this.#connection.wire;
    return wire !== undefined && this.#publishRetained(wire, topic);
  }

  async #publishRetained(wire: Wire, topic: string): Promise<boolean> {
    try {
      await wire.publish(topic, this.#retained.get(topic)!, { qos: 1, retain: true });
      this.#counts.sent++;
      return true;
    } catch {
      // It is kept, and every new connection publishes all that is kept.
      return false;
    }
  }

  /** A broker that was restarted has forgotten what it retained. */
  #up(wire: Wire): void {
    this.#counts.connects++;
    void (async () => {
      for (const topic of [...this.#retained.keys()]) await this.#publishRetained(wire, topic);
    })();
  }

  #received(topic: string, bytes: Uint8Array): void {
    const parsed = parseDeviceTopic(topic);
    if (parsed?.channel === 'req') this.#requests.push(parsed.deviceId, bytes);
    else if (parsed?.channel === 'status') this.#reports.push(parsed.deviceId, bytes);
  }
}
