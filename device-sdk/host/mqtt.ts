import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { MqttClient } from 'mqtt';
import { codeOf, demand, Refusal } from '../src/errors.ts';
import type { Link } from '../src/ports.ts';
import { INBOUND_BYTES_MAX, type LinkOptions, linkOver } from './link.ts';
import { PacketScanner } from './mqtt-scan.ts';
import { lost, type Wire, type WireEvents } from './wire.ts';

/** Certificates and keys in PEM. */
export interface TlsOptions {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
}

export interface MqttLinkOptions extends LinkOptions {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  url: string;
  tls?: TlsOptions;
}

/**
 * The SDK's link to the distribution server over MQTT 3.1.1, for gateways and devices with Node.
 * Every connection is a fresh login; `up` is told after the subscriptions are acknowledged.
 *
 * @example
 * const link = mqttLink({ url: 'mqtts://updates.example:8883', deviceId, classId });
 */
export function mqttLink(options: MqttLinkOptions): Link {
  const { url, tls } = options;
  readUrl(url);
  return linkOver(options, ({ clientId, password, filters }, events) =>
    dialMqtt({ url, ...(tls && { tls }), clientId, password, filters, bytesMax: INBOUND_BYTES_MAX }, events),
  );
}

export interface MqttDial {
  url: string;
  tls?: TlsOptions;
  /** In PEM: the broker must show this very certificate, whatever it says, whoever issued it. */
  pin?: string | Buffer;
  /** Also the user name. */
  clientId: string;
  password: Uint8Array;
  /** Topic filters and the QoS of each. */
  filters: ReadonlyMap<string, 0 | 1>;
  /** Largest packet to take from the broker. */
  bytesMax: number;
  /** Publishes that wait for the socket or the broker. Default 16. */
  unfinishedMax?: number;
  /** Default 10 s, for the connection with its login and subscriptions, and for each acknowledgement. */
  answerMs?: number;
}

/** A device has one request and one report on the way; more means that the broker has stopped answering. */
const UNFINISHED_MAX = 16;
const ANSWER_MS = 10_000;
/** A dead connection is noticed after at most one and a half of it. */
const KEEPALIVE_SECONDS = 60;

/** One connection by mqtt.js, which is used without its own reconnecting: a login must never be sent twice. */
export async function dialMqtt(options: MqttDial, events: WireEvents): Promise<Wire> {
  const answerMs = options.answerMs ?? ANSWER_MS;
  const client = new MqttClient(() => boundedSocket(options), {
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId: options.clientId,
    username: options.clientId,
    password: Buffer.from(options.password),
    clean: true,
    keepalive: KEEPALIVE_SECONDS,
    connectTimeout: answerMs,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    timerVariant: 'native',
  });
  let failure: unknown;
  client.on('error', (error) => {
    failure ??= error;
  });
  client.on('message', (topic, payload) => events.message(topic, new Uint8Array(payload)));
  const ended = new Promise<void>((resolve) => client.once('close', resolve));
  try {
    await within(answerMs, [once(client, 'connect'), ended], () => failure);
    await within(answerMs, [subscribe(client, options.filters), ended], () => failure);
    demand(client.connected, 'LINK_LOST', 'the connection ended');
  } catch (error) {
    client.end(true);
    throw refusalOf(error);
  }
  const wire = new MqttWire(client, options.unfinishedMax ?? UNFINISHED_MAX, answerMs);
  void ended.then(() => {
    wire.ended();
    events.closed();
  });
  return wire;
}

class MqttWire implements Wire {
  readonly #client: MqttClient;
  readonly #unfinishedMax: number;
  readonly #answerMs: number;
  readonly #unfinished = new Set<(error: Refusal) => void>();

  constructor(client: MqttClient, unfinishedMax: number, answerMs: number) {
    this.#client = client;
    this.#unfinishedMax = unfinishedMax;
    this.#answerMs = answerMs;
  }

  publish(topic: string, bytes: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#client.connected) return reject(lost());
      if (this.#unfinished.size >= this.#unfinishedMax) {
        return reject(new Refusal('BUSY', `${this.#unfinished.size} publishes are unfinished`));
      }
      const timer = setTimeout(() => {
        fail(lost('the broker did not answer in time'));
        this.close();
      }, this.#answerMs);
      const done = (settle: () => void) => {
        clearTimeout(timer);
        this.#unfinished.delete(fail);
        settle();
      };
      const fail = (error: Refusal) => done(() => reject(error));
      this.#unfinished.add(fail);
      this.#client.publish(topic, asBuffer(bytes), options, (error) =>
        error ? fail(refusalOf(error)) : done(resolve),
      );
    });
  }

  close(): void {
    this.#client.end(true);
  }

  /** The connection is gone, and with it every answer. */
  ended(): void {
    for (const fail of [...this.#unfinished]) fail(lost('the connection ended'));
    // Forgets timers and stores of mqtt.js.
    this.#client.end(true);
  }
}

/** A socket that ends itself when the broker announces a packet over the limit: mqtt.js would collect all of it. */
function boundedSocket(options: MqttDial): Socket {
  const { host, port, secure } = readUrl(options.url);
  const { tls, pin } = options;
  const servername = /^[0-9.]+$|:/.test(host) ? {} : { servername: host };
  const checked = { ...servername, ...tls, rejectUnauthorized: pin === undefined };
  const socket = secure ? connectTls({ host, port, ...checked }) : connectTcp({ host, port });
  if (secure && pin !== undefined) demandPinned(socket as TLSSocket, pin);
  socket.setNoDelay(true);
  const scanner = new PacketScanner(options.bytesMax);
  socket.on('data', (chunk: Buffer) => {
    try {
      scanner.take(chunk);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  return socket;
}

/** Nothing is sent before the certificate was seen: the first packet has the password. */
function demandPinned(socket: TLSSocket, pin: string | Buffer): void {
  const expected = new X509Certificate(pin).raw;
  socket.cork();
  socket.once('secureConnect', () => {
    const shown = socket.getPeerX509Certificate();
    if (shown?.raw.equals(expected)) socket.uncork();
    else socket.destroy(lost('the broker shows another certificate'));
  });
}

/** @throws TypeError for anything but mqtt://host[:port] and mqtts://host[:port] */
function readUrl(text: string): { host: string; port: number; secure: boolean } {
  const url = new URL(text);
  const secure = url.protocol === 'mqtts:';
  if ((!secure && url.protocol !== 'mqtt:') || url.hostname === '') throw new TypeError(`${text} is no mqtt:// URL`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: url.port === '' ? (secure ? 8883 : 1883) : Number(url.port), secure };
}

function once(client: MqttClient, event: 'connect'): Promise<void> {
  return new Promise((resolve) => client.once(event, () => resolve()));
}

async function subscribe(client: MqttClient, filters: ReadonlyMap<string, 0 | 1>): Promise<void> {
  const wanted = Object.fromEntries([...filters].map(([filter, qos]) => [filter, { qos }]));
  try {
    await client.subscribeAsync(wanted);
  } catch (cause) {
    const { packet } = cause as { packet?: { granted?: unknown } };
    if (!Array.isArray(packet?.granted) || !packet.granted.includes(SUBACK_FAILURE)) throw cause;
    throw new Refusal('NOT_PERMITTED', 'the broker refused a subscription', { cause });
  }
}

/** MQTT 3.1.1 section 3.9.3. */
const SUBACK_FAILURE = 0x80;

/** The first of a work and the end of the connection, or a refusal when neither comes. */
async function within(ms: number, [work, ended]: [Promise<void>, Promise<void>], why: () => unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(lost(`no answer within ${ms} ms`)), ms);
  });
  const broken = ended.then(() => {
    throw why() ?? lost('the connection ended');
  });
  try {
    await Promise.race([work, broken, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** CONNACK 4 and 5 are refusals of the login; everything else is a lost link (MQTT 3.1.1 section 3.2.2.3). */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal && (error.code === 'LINK_LOST' || error.code === 'NOT_PERMITTED')) return error;
  const cause = error as { code?: unknown; message?: string };
  if (cause.code === 4 || cause.code === 5)
    return new Refusal('UNAUTHORIZED', 'the broker refused the login', { cause });
  return lost(cause.message ?? codeOf(error), error);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
