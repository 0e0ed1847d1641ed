/**
 * The SDK's link for fleets of thousands: a bare socket and a codec take 7 to 8 KB for a device, mqtt.js 19 KB.
 * Everything above one connection is the production code of the SDK (host/link), so both behave the same.
 */
import { connect, type Socket } from 'node:net';
import { codeOf, demand, type Link, Refusal, type Timer } from '@countersign/device-sdk';
import { type DeviceDial, INBOUND_BYTES_MAX, type LinkOptions, linkOver } from '@countersign/device-sdk/host/link';
import { PacketScanner } from '@countersign/device-sdk/host/mqtt-scan';
import { systemTimer } from '@countersign/device-sdk/host/system';
import { lost, type Wire, type WireEvents } from '@countersign/device-sdk/host/wire';
import { generate, type Packet, type Parser, parser } from 'mqtt-packet';
import { type LinkFaults, Weather } from './link-faults.ts';

export interface TcpLinkOptions extends LinkOptions {
  host: string;
  port: number;
  /** Where the socket is bound, for more connections than one address has ports: 127.0.0.2 and so on. */
  localAddress?: string;
  /** Decides about every connection and message; without it the network is perfect. */
  faults?: LinkFaults;
  /** Default 60 s. */
  keepaliveSeconds?: number;
}

/** A {@link Link} over TCP with faults by decision. It speaks no TLS: the fleet lives beside its broker. */
export function tcpLink(options: TcpLinkOptions): Link {
  const weather = new Weather(options.faults, options.timer ?? systemTimer());
  return linkOver(options, async (device, events) => {
    await weather.connect();
    return dialLite(options, device, events, weather);
  });
}

/** Publishes that wait for the socket or the broker: as mqttLink. */
const UNFINISHED_MAX = 16;
const ANSWER_MS = 10_000;
const KEEPALIVE_SECONDS = 60;

async function dialLite(
  options: TcpLinkOptions,
  device: DeviceDial,
  events: WireEvents,
  weather: Weather,
): Promise<Wire> {
  const wire = new LiteWire(options, events, weather);
  await wire.login(device);
  return wire;
}

type Settle = (error?: Refusal) => void;

class LiteWire implements Wire {
  readonly #socket: Socket;
  readonly #parser: Parser;
  readonly #scanner = new PacketScanner(INBOUND_BYTES_MAX);
  readonly #events: WireEvents;
  readonly #weather: Weather;
  readonly #timer: Timer;
  readonly #keepalive: number;
  /** What waits, by packet id; CONNACK under 0. */
  readonly #waiting = new Map<number, Settle>();
  #cancelPing: () => void = () => undefined;
  #nextId = 1;
  #sending = 0;
  #up = false;
  #pinged = false;
  #failure: unknown;

  constructor(options: TcpLinkOptions, events: WireEvents, weather: Weather) {
    const { host, port, localAddress } = options;
    this.#events = events;
    this.#weather = weather;
    this.#timer = options.timer ?? systemTimer();
    this.#keepalive = options.keepaliveSeconds ?? KEEPALIVE_SECONDS;
    this.#parser = parser({ protocolVersion: 4 });
    this.#parser.on('packet', (packet) => this.#heard(packet));
    this.#parser.on('error', (error) => this.#socket.destroy(error));
    this.#socket = connect({ host, port, noDelay: true, ...(localAddress && { localAddress }) });
    this.#socket.on('data', (chunk: Buffer) => this.#parse(chunk));
    this.#socket.on('error', (error) => {
      this.#failure = error;
    });
    this.#socket.once('close', () => this.#ended());
  }

  async login({ clientId, password, filters }: DeviceDial): Promise<void> {
    const connected = this.#wait(0);
    this.#write({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      keepalive: this.#keepalive,
      username: clientId,
      password: Buffer.from(password),
    });
    try {
      await connected;
      const messageId = this.#id();
      const subscribed = this.#wait(messageId);
      const subscriptions = [...filters].map(([topic, qos]) => ({ topic, qos }));
      this.#write({ cmd: 'subscribe', messageId, subscriptions });
      await subscribed;
      demand(!this.#socket.destroyed, 'LINK_LOST', 'the connection ended');
    } catch (error) {
      this.#socket.destroy();
      throw error;
    }
    this.#up = true;
    this.#schedulePing();
  }

  async publish(topic: string, bytes: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void> {
    if (this.#socket.destroyed) throw lost();
    demand(this.#sending < UNFINISHED_MAX, 'BUSY', `${this.#sending} publishes are unfinished`);
    this.#sending++;
    try {
      await this.#publish(topic, bytes, options);
    } finally {
      this.#sending--;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #publish(topic: string, bytes: Uint8Array, { qos, retain = false }: { qos: 0 | 1; retain?: boolean }) {
    const messageId = qos === 1 ? this.#id() : undefined;
    const acknowledged = messageId === undefined ? undefined : this.#wait(messageId);
    acknowledged?.catch(() => undefined);
    const sent = new Promise<void>((resolve, reject) => {
      const cut = () => {
        this.#socket.destroy();
        reject(lost('the connection ended'));
      };
      // A lost message looks sent. With QoS 1 its acknowledgement then never comes, and the link ends as a dead one.
      this.#weather.send(topic, bytes, cut, (payload) => {
        if (payload === undefined) return resolve();
        if (this.#socket.destroyed) return reject(lost('the connection ended'));
        const id = messageId === undefined ? {} : { messageId };
        this.#write(
          { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false, ...id },
          (error) => (error ? reject(lost('the connection ended', error)) : resolve()),
        );
      });
    });
    await sent;
    await acknowledged;
  }

  #heard(packet: Packet): void {
    switch (packet.cmd) {
      case 'connack':
        this.#settle(0, packet.returnCode ? connackRefusal(packet.returnCode) : undefined);
        break;
      case 'suback': {
        const refused = packet.granted.includes(128);
        const refusal = refused ? new Refusal('NOT_PERMITTED', 'the broker refused a subscription') : undefined;
        this.#settle(packet.messageId ?? -1, refusal);
        break;
      }
      case 'puback':
        this.#settle(packet.messageId ?? -1);
        break;
      case 'pingresp':
        this.#pinged = false;
        break;
      case 'publish':
        this.#message(packet.topic, packet.payload as Buffer, packet.qos === 1 ? packet.messageId : undefined);
        break;
      default:
        this.#socket.destroy(lost(`the broker sent ${packet.cmd}`));
    }
  }

  #message(topic: string, payload: Buffer, messageId: number | undefined): void {
    if (messageId !== undefined) this.#write({ cmd: 'puback', messageId });
    const cut = () => this.#socket.destroy();
    this.#weather.receive(topic, new Uint8Array(payload), cut, (bytes) => {
      if (bytes === undefined) return;
      // Outside of the parser, which would take a fault of the device for one of the packet.
      queueMicrotask(() => {
        if (!this.#socket.destroyed) this.#events.message(topic, bytes);
      });
    });
  }

  #parse(chunk: Buffer): void {
    try {
      this.#scanner.take(chunk);
      this.#parser.parse(chunk);
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : lost(codeOf(error)));
    }
  }

  #write(packet: Packet, done?: (error?: Error | null) => void): void {
    this.#socket.write(generate(packet), done);
  }

  /** Waits for an acknowledgement. When it does not come in time the connection is as good as dead. */
  #wait(id: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#timer.after(ANSWER_MS, () => {
        this.#settle(id, lost('the broker did not answer in time'));
        this.#socket.destroy();
      });
      this.#waiting.set(id, (error) => {
        cancel();
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #settle(id: number, error?: Refusal): void {
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    settle?.(error);
  }

  #id(): number {
    const id = this.#nextId;
    this.#nextId = id === 65_535 ? 1 : id + 1;
    return id;
  }

  #schedulePing(): void {
    this.#cancelPing = this.#timer.after(this.#keepalive * 500, () => {
      if (this.#pinged) this.#socket.destroy();
      else this.#ping();
    });
  }

  #ping(): void {
    this.#pinged = true;
    this.#write({ cmd: 'pingreq' });
    this.#schedulePing();
  }

  #ended(): void {
    this.#cancelPing();
    this.#parser.removeAllListeners('packet');
    for (const id of [...this.#waiting.keys()]) this.#settle(id, lost('the connection ended', this.#failure));
    if (this.#up) this.#events.closed();
    this.#up = false;
  }
}

/** As mqttLink: 4 and 5 are refusals of the login (MQTT 3.1.1 section 3.2.2.3). */
function connackRefusal(code: number): Refusal {
  return code === 4 || code === 5
    ? new Refusal('UNAUTHORIZED', 'the broker refused the login')
    : lost(`the broker refused the connection with code ${code}`);
}
