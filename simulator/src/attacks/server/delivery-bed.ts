/** A broker with enrolled devices on a free port, and a bare client that breaks the rules. */
import { connect as connectTcp, type Socket } from 'node:net';
import { createDelivery, type Delivery } from '@countersign/broker/distribution/delivery/broker';
import { type LoginCounters, memoryLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import type { DeliveryLimits } from '@countersign/broker/distribution/delivery/limits';
import { type DeviceRecord, loginGate } from '@countersign/broker/distribution/delivery/login';
import type { KeyStore } from '@countersign/device-sdk';
import { hex, loginValue, signStatement } from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

export const BROKER_ID = 'test-broker';
export const SECRET = 'a secret of more than sixteen';
export const CLASS_ID = new Uint8Array(16).fill(0xc1);
export const verifier = nodeVerifier();
const sha256 = (bytes: Uint8Array) => verifier.sha256(bytes);

export interface TestDevice {
  id: Uint8Array;
  name: string;
  keys: KeyStore;
  record: DeviceRecord;
  /** The next counter. */
  counter: number;
  login(change?: { brokerId?: string; counter?: number; deviceId?: Uint8Array; keys?: KeyStore }): Promise<Uint8Array>;
}

export interface Bed {
  delivery: Delivery;
  counters: LoginCounters;
  errors: unknown[];
  device(): TestDevice;
  close(): Promise<void>;
}

export interface BedOptions {
  limits?: Partial<DeliveryLimits>;
  tls?: { key: string; cert: string };
  port?: number;
  devices?: Map<string, DeviceRecord>;
}

let made = 0;

/** @param t who ends the bed: a test, or a try of the suite */
export async function makeBed(t: { teardown(end: () => Promise<void>): void }, options: BedOptions = {}): Promise<Bed> {
  const devices = options.devices ?? new Map<string, DeviceRecord>();
  const counters = memoryLoginCounters();
  const errors: unknown[] = [];
  const authenticate = loginGate({
    brokerId: BROKER_ID,
    secret: SECRET,
    device: async (id) => devices.get(hex(id)),
    counters,
    verifier,
  });
  const delivery = await createDelivery({
    brokerId: BROKER_ID,
    authenticate,
    onError: (error) => errors.push(error),
    ...(options.limits && { limits: options.limits }),
    ...(options.tls && { tls: options.tls }),
    ...(options.port && { port: options.port }),
  });
  const device = () => {
    const d = makeDevice();
    devices.set(d.name, d.record);
    return d;
  };
  t.teardown(() => delivery.close());
  return { delivery, counters, errors, device, close: () => delivery.close() };
}

export function makeDevice(): TestDevice {
  const pair = generateKeyPair(-19);
  const keys = nodeKeyStore(pair.alg, pair.secret);
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, ++made);
  const device: TestDevice = {
    id,
    name: hex(id),
    keys,
    record: { key: { alg: pair.alg, bytes: pair.publicKey }, classId: CLASS_ID, revoked: false },
    counter: 1,
    login: async ({ brokerId = BROKER_ID, counter = device.counter++, deviceId = id, keys: by = keys } = {}) =>
      signStatement(sha256, 'login', loginValue({ deviceId, brokerId, counter }), by),
  };
  return device;
}

/** A client without manners: it sends any packet, or any bytes, and remembers what it is told. */
export class RawClient {
  readonly socket: Socket;
  readonly heard: Packet[] = [];
  closed = false;
  /** Messages heard. */
  count = 0;
  #wake: () => void = () => undefined;
  #id = 1;

  /** @param localAddress where it comes from, for limits that hold for each address */
  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = connectTcp({ host: '127.0.0.1', port, localAddress, noDelay: true });
    const codec = parser({ protocolVersion: 4 });
    codec.on('packet', (packet) => {
      this.heard.push(packet);
      if (packet.cmd === 'publish') this.count++;
      this.#wake();
    });
    this.socket.on('data', (chunk) => codec.parse(chunk));
    this.socket.on('error', () => undefined);
    this.socket.once('connect', () => this.#wake());
    this.socket.once('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  send(packet: Packet): void {
    this.socket.write(generate(packet));
  }

  connect(change: Partial<IConnectPacket> = {}): Promise<number | undefined> {
    this.send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      // It says nothing by itself: on a slow machine a minute passes between two of its words.
      keepalive: 1_000,
      clientId: '',
      ...change,
    });
    return this.connack();
  }

  /** The return code, or undefined when the connection was closed without one. */
  async connack(): Promise<number | undefined> {
    const packet = await this.next((p) => p.cmd === 'connack');
    return packet?.cmd === 'connack' ? packet.returnCode : undefined;
  }

  async loginAs(device: TestDevice): Promise<void> {
    const password = Buffer.from(await device.login());
    const code = await this.connect({ clientId: device.name, username: device.name, password });
    if (code !== 0) throw new Error(`login answered ${code}`);
  }

  async loginAsServer(): Promise<void> {
    const code = await this.connect({
      clientId: 'distribution',
      username: 'distribution',
      password: Buffer.from(SECRET),
    });
    if (code !== 0) throw new Error(`login answered ${code}`);
  }

  /** The granted QoS; 128 where it was refused, undefined when the connection was closed. */
  async subscribe(topic: string, qos: 0 | 1 | 2 = 0): Promise<number | undefined> {
    const messageId = this.#id++;
    this.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] });
    const packet = await this.next((p) => p.cmd === 'suback' && p.messageId === messageId);
    return packet?.cmd === 'suback' ? (packet.granted[0] as number) : undefined;
  }

  publish(topic: string, payload: string | Buffer, options: { qos?: 0 | 1 | 2; retain?: boolean } = {}): number {
    const messageId = this.#id++;
    const { qos = 0, retain = false } = options;
    this.send({ cmd: 'publish', topic, payload, qos, retain, dup: false, ...(qos > 0 && { messageId }) });
    return messageId;
  }

  messages(): { topic: string; payload: Buffer }[] {
    return this.heard.flatMap((p) => (p.cmd === 'publish' ? [{ topic: p.topic, payload: p.payload as Buffer }] : []));
  }

  /** The first packet of that kind, heard or to come; undefined when the connection ends first. */
  async next(wanted: (packet: Packet) => boolean): Promise<Packet | undefined> {
    let found: Packet | undefined;
    await this.until(() => {
      found ??= this.heard.find(wanted);
      return found !== undefined || this.closed;
    });
    return found;
  }

  async ended(): Promise<void> {
    await this.until(() => this.closed);
  }

  /** Waits for an event of this client that makes it true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Looks every few milliseconds: for state that tells no event of its own. The time is for a machine with much else to do. */
export async function eventually(condition: () => boolean, ms = 60_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
