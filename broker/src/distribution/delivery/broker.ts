import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { type Code, codeOf, demand, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { Aedes, type AedesOptions, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import { flatEmitter } from './emitter.ts';
import { Entering } from './entering.ts';
import { type ConnectFlags, Gate } from './gate.ts';
import { type DeliveryLimits, withDefaults } from './limits.ts';
import type { Authenticate, Credentials } from './login.ts';
import { countDenied, type DeliveryMetrics, noMetrics } from './metrics.ts';
import { rightsOf } from './rights.ts';
import { Strangers } from './strangers.ts';

export interface DeliveryOptions {
  /** Default 127.0.0.1. Beyond loopback TLS is demanded. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  brokerId: string;
  authenticate: Authenticate;
  /** Key and certificate in PEM. */
  tls?: { key: string | Buffer; cert: string | Buffer };
  /** Said aloud: listen beyond loopback without TLS. Logins can then be read, though not used again. */
  allowPlain?: boolean;
  limits?: Partial<DeliveryLimits>;
  /** Told of faults inside the broker, which refuse nobody. */
  onError?: (error: unknown) => void;
}

export interface Delivery {
  readonly host: string;
  readonly port: number;
  /** For clients: `mqtt://…` or `mqtts://…`. */
  readonly url: string;
  metrics(): DeliveryMetrics;
  /** Ends the connection of a device, for instance when it has been revoked. True when there was one. */
  disconnect(deviceId: Uint8Array): boolean;
  /** Stops listening and ends all connections, within `limits.closeMs`. */
  close(): Promise<void>;
}

/**
 * The embedded broker: MQTT 3.1.1 by aedes, behind a {@link Gate} for each connection and one table of rights.
 * It keeps nothing but retained messages in memory, and is trusted by nobody.
 *
 * @example
 * const authenticate = loginGate({ brokerId: 'plant-1', secret, device, counters, verifier });
 * const delivery = await createDelivery({ port: 1883, brokerId: 'plant-1', authenticate });
 * @throws Refusal BAD_REQUEST (beyond loopback without TLS, or the address cannot be used)
 */
export async function createDelivery(options: DeliveryOptions): Promise<Delivery> {
  const host = options.host ?? '127.0.0.1';
  const safe = options.tls !== undefined || options.allowPlain === true || isLoopback(host);
  demand(safe, 'BAD_REQUEST', `listening on ${host} needs TLS`);
  const broker = new Broker(options);
  const port = await broker.listen(host, options.port ?? 0);
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    host,
    port,
    url: `${options.tls ? 'mqtts' : 'mqtt'}://${name}:${port}`,
    metrics: () => broker.metrics(),
    disconnect: (deviceId) => broker.disconnect(hex(deviceId)),
    close: () => broker.close(),
  };
}

/** Packets that aedes keeps between CONNECT and CONNACK. Our own clients send none. */
const EARLY_PACKETS_MAX = 16;
/** Topics have five levels; the matcher would throw at a hundred. */
const TOPIC_LEVELS_MAX = 8;
/** Turns of the event loop that a closing connection gets to leave aedes's table. It needs two or three. */
const LEAVE_TURNS_MAX = 100;
/** Connections the kernel keeps until they are accepted. Node's own default, 511, refuses a fleet that comes back. */
const BACKLOG = 4_096;

/** aedes's own members that its types do not tell. */
type AedesClient = Client & { waitForDrain(done: (error: Error | null, client: Client) => void): void };
type AedesTable = { clients: Record<string, Client | undefined> };

class Broker {
  readonly #limits: Readonly<DeliveryLimits>;
  readonly #authenticate: Authenticate;
  readonly #metrics = noMetrics();
  readonly #strangers: Strangers;
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #tls: SecureContext | undefined;
  /** Open connections and how each gives back its stranger's place. */
  readonly #connections = new Map<Socket, () => void>();
  readonly #gates = new WeakMap<object, Gate>();
  readonly #retained = new Set<string>();
  readonly #entering = new Entering();
  readonly #onError: (error: unknown) => void;

  constructor(options: DeliveryOptions) {
    this.#limits = withDefaults(options.limits);
    this.#authenticate = options.authenticate;
    this.#onError = options.onError ?? (() => undefined);
    this.#strangers = new Strangers(this.#limits);
    this.#tls = options.tls && createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' });
    this.#aedes = new Aedes(this.#aedesOptions(options.brokerId));
    this.#aedes.on('connectionError', (client, error) => this.#failed(client, error));
    this.#aedes.on('clientError', (client, error) => this.#failed(client, error));
    // An 'error' nobody listens to is thrown: one fault of the store would be the end of the process.
    (this.#aedes as unknown as NodeJS.EventEmitter).on('error', (error) => {
      countDenied(this.#metrics, 'INTERNAL');
      this.#onError(error);
    });
    this.#server = createServer({ noDelay: true }, (socket) => this.#enter(socket));
  }

  async listen(host: string, port: number): Promise<number> {
    await this.#aedes.listen();
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error) => {
        this.#aedes.close();
        reject(new Refusal('BAD_REQUEST', `cannot listen on ${host} port ${port}: ${cause.message}`, { cause }));
      };
      this.#server.once('error', failed);
      this.#server.listen(port, host, BACKLOG, () => {
        this.#server.off('error', failed);
        this.#server.on('error', this.#onError);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  metrics(): DeliveryMetrics {
    let bytesOut = this.#metrics.bytesOut;
    let loggedIn = 0;
    for (const socket of this.#connections.keys()) {
      bytesOut += socket.bytesWritten;
      if (this.#gates.get(socket)?.rights !== undefined) loggedIn++;
    }
    const denied = { ...this.#metrics.denied };
    return { ...this.#metrics, denied, open: this.#connections.size, loggedIn, bytesOut };
  }

  disconnect(clientId: string): boolean {
    this.#entering.end(clientId);
    const client = this.#table()[clientId];
    if (client !== undefined && !client.closed) {
      client.conn.destroy();
      return true;
    }
    // aedes enters a client into its table some turns after it was let in.
    const early = [...this.#connections.keys()].find(
      (socket) => this.#gates.get(socket)?.rights?.clientId === clientId,
    );
    early?.destroy();
    return early !== undefined;
  }

  async close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.race([this.#closeAedes(), this.#tooLate()]);
    // aedes knows nothing of those who never sent a CONNECT.
    for (const socket of this.#connections.keys()) socket.destroy();
    await Promise.race([stopped, this.#tooLate()]);
  }

  #enter(raw: Socket): void {
    this.#metrics.accepted++;
    const full = this.#connections.size >= this.#limits.connections;
    const leave = full ? undefined : this.#strangers.enter(raw.remoteAddress ?? '');
    raw.on('error', () => undefined);
    if (leave === undefined) {
      countDenied(this.#metrics, 'BUSY');
      raw.destroy();
      return;
    }
    // The handshake happens inside the login's deadline, and its bytes are not aedes's.
    const socket = this.#tls ? new TLSSocket(raw, { isServer: true, secureContext: this.#tls }) : raw;
    const gate = new Gate(socket, this.#limits, this.#metrics);
    this.#connections.set(socket, leave);
    this.#gates.set(socket, gate);
    socket.once('close', () => {
      this.#connections.delete(socket);
      leave();
    });
    const client = this.#aedes.handle(socket) as AedesClient;
    client.waitForDrain = (done) => {
      gate.watchDrain();
      setImmediate(done, null, client);
    };
  }

  #aedesOptions(id: string): AedesOptions {
    return {
      id,
      // No message waits for a socket, so messages at work are bounded by what was read, 64 KB for each sender.
      mq: flatEmitter(),
      concurrency: 0,
      drainTimeout: this.#limits.drainMs,
      connectTimeout: this.#limits.loginMs,
      queueLimit: EARLY_PACKETS_MAX,
      maxTopicLevels: TOPIC_LEVELS_MAX,
      // Every answer on a turn of its own: aedes calls on from inside the callback, however deep it is already.
      preConnect: (client, packet, done) => {
        this.#gateOf(client).connect = {
          protocolVersion: packet.protocolVersion ?? 0,
          clean: packet.clean === true,
          will: packet.will !== undefined,
          keepalive: packet.keepalive ?? 0,
        };
        setImmediate(done, null, true);
      },
      authenticate: (client, username, password, done) => {
        const credentials = { clientId: client.id, username, password };
        this.#login(client, credentials).then(
          () => setImmediate(done, null, true),
          (error) => setImmediate(done, this.#refuseLogin(client, error), false),
        );
      },
      authorizePublish: (client, packet, done) => setImmediate(done, this.#refusePublish(client, packet)),
      authorizeSubscribe: (client, wanted, done) => {
        const { rights } = this.#gateOf(client);
        const allowed = rights !== undefined && rights.subscribe(wanted.topic, wanted.qos) === undefined;
        if (!allowed) countDenied(this.#metrics, 'NOT_PERMITTED');
        setImmediate(done, null, allowed ? wanted : null);
      },
      authorizeForward: (client, packet) => {
        if (!this.#gateOf(client).hasRoom()) {
          countDenied(this.#metrics, 'BUSY');
          return null;
        }
        this.#metrics.messagesOut++;
        return packet;
      },
    };
  }

  async #login(client: Client, credentials: Credentials): Promise<void> {
    const gate = this.#gateOf(client);
    checkConnect(gate.connect, this.#limits);
    await this.#entering.login(client.id, async (check) => {
      const principal = await this.#authenticate(credentials);
      const rights = rightsOf(principal);
      demand(rights.clientId === client.id, 'UNAUTHORIZED', 'the client id is not the one that logged in');
      await this.#endFormer(client.id);
      demand(!gate.socket.destroyed, 'LINK_LOST', 'the connection ended during its login');
      check();
      gate.login(rights, principal.role);
    });
    this.#connections.get(gate.socket)?.();
    this.#metrics.logins++;
  }

  /**
   * Ends an older connection with this id, and waits until aedes has forgotten it: aedes deletes by id, and some turns
   * late, and would otherwise delete the new connection from its table in place of the old one.
   */
  async #endFormer(clientId: string): Promise<void> {
    const former = this.#table()[clientId];
    if (former === undefined) return;
    await new Promise<void>((resolve) => former.close(() => resolve()));
    for (let i = 0; i < LEAVE_TURNS_MAX && this.#table()[clientId] === former; i++) await turn();
  }

  #refuseLogin(client: Client, error: unknown): AuthenticateError {
    const code = codeOf(error);
    this.#gateOf(client).countOnce(code);
    if (code === 'INTERNAL') this.#onError(error);
    return Object.assign(new Error(code), { returnCode: connackCode(code) });
  }

  #refusePublish(client: Client | null, packet: PublishPacket): Error | null {
    const gate = client && this.#gateOf(client);
    const { topic, qos, retain } = packet;
    const reason = gate?.rights?.publish({ topic, qos, retain, bytes: packet.payload.length });
    const refuse = (code: Code, text: string) => {
      gate?.countOnce(code);
      return new Refusal(code, text);
    };
    if (!gate?.rights || reason !== undefined) return refuse('NOT_PERMITTED', reason ?? 'nobody has logged in');
    if (!retain || this.#retained.has(topic)) return null;
    if (this.#retained.size >= this.#limits.retainedTopics) return refuse('TOO_LARGE', 'too many retained topics');
    this.#retained.add(topic);
    return null;
  }

  /** aedes ended a connection. A lost link has a system's code (ECONNRESET) and is no refusal; the rest broke MQTT. */
  #failed(client: Client, error: NodeJS.ErrnoException): void {
    if (error.code !== undefined) return;
    this.#gateOf(client).countOnce('MALFORMED');
  }

  /** aedes may still work on packets of a connection that has ended, so gates live as long as their sockets. */
  #gateOf(client: Client): Gate {
    return this.#gates.get(client.conn)!;
  }

  #table(): AedesTable['clients'] {
    return (this.#aedes as unknown as AedesTable).clients;
  }

  #closeAedes(): Promise<void> {
    return new Promise((resolve) => this.#aedes.close(() => resolve()));
  }

  #tooLate(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#limits.closeMs / 2).unref());
  }
}

/** @throws Refusal UNSUPPORTED, BAD_REQUEST */
function checkConnect(connect: ConnectFlags | undefined, limits: Readonly<DeliveryLimits>): void {
  demand(connect?.protocolVersion === 4, 'UNSUPPORTED', 'MQTT 3.1.1 only');
  demand(connect.clean, 'BAD_REQUEST', 'a session that outlives its connection would queue without limit');
  demand(!connect.will, 'BAD_REQUEST', 'a last will would be published by a restart of the broker');
  const { keepalive } = connect;
  const alive = keepalive > 0 && keepalive <= limits.keepaliveSeconds;
  demand(alive, 'BAD_REQUEST', `a keep-alive of ${keepalive} s, from 1 to ${limits.keepaliveSeconds}`);
}

/** MQTT 3.1.1 section 3.2.2.3. */
function connackCode(code: Code): number {
  if (code === 'BUSY' || code === 'BAD_STORE' || code === 'INTERNAL' || code === 'UNREACHABLE') return 3;
  return code === 'UNAUTHORIZED' ? 4 : 5;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
