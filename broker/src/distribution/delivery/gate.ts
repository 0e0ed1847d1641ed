import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { type Code, codeOf, demand } from '@countersign/device-sdk';
import { CONNECT, PacketScanner } from '@countersign/device-sdk/host/mqtt-scan';
import type { DeliveryLimits } from './limits.ts';
import { countDenied, type DeliveryMetrics } from './metrics.ts';
import type { Rights } from './rights.ts';
import { Throttle } from './throttle.ts';

/** What a CONNECT said beside its credentials. */
export interface ConnectFlags {
  protocolVersion: number;
  clean: boolean;
  will: boolean;
  keepalive: number;
}

/**
 * Stands between one socket and aedes and holds every bound aedes does not have: sizes before and after the login, the
 * login's deadline, the rate of packets, the backlog of a reader who does not read.
 */
export class Gate {
  readonly socket: Socket;
  /** Undefined before the login. */
  rights: Rights | undefined;
  connect: ConnectFlags | undefined;
  readonly #limits: Readonly<DeliveryLimits>;
  readonly #metrics: DeliveryMetrics;
  readonly #scanner: PacketScanner;
  readonly #deadline: NodeJS.Timeout;
  #throttle: Throttle | undefined;
  #backlogBytes = 0;
  #bytesIn = 0;
  #resume: NodeJS.Timeout | undefined;
  #stuck: NodeJS.Timeout | undefined;
  #denied = false;

  /** Installs itself: from here on nothing reaches aedes that was not counted. */
  constructor(socket: Socket, limits: Readonly<DeliveryLimits>, metrics: DeliveryMetrics) {
    this.socket = socket;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#scanner = new PacketScanner(limits.strangerBytes);
    this.#deadline = setTimeout(() => this.deny('UNAUTHORIZED'), limits.loginMs);
    socket.once('close', () => this.#ended());
    const read = socket.read.bind(socket);
    // aedes takes bytes with `read` alone, so this is the one place that all of them pass. `read(0)` is Node's own.
    socket.read = (size?: number) => {
      if (size === 0) return read(0);
      if (this.#resume !== undefined) return null;
      const chunk: Buffer | null = read(size);
      return chunk !== null && this.#admit(chunk) ? chunk : null;
    };
  }

  /** Lifts the bounds of a stranger and sets those of the role. */
  login(rights: Rights, role: 'device' | 'distribution'): void {
    const limits = this.#limits;
    const device = role === 'device';
    clearTimeout(this.#deadline);
    this.rights = rights;
    this.#scanner.bytesMax = device ? limits.devicePacketBytes : limits.serverPacketBytes;
    this.#backlogBytes = device ? limits.backlogBytes : limits.serverBacklogBytes;
    if (device) this.#throttle = new Throttle(limits, performance.now());
  }

  /** Counts one reason for this connection, the first, and cuts it. */
  deny(code: Code): void {
    this.countOnce(code);
    this.socket.destroy();
  }

  /** Counts one reason for the end of this connection, the first. */
  countOnce(code: Code): void {
    if (this.#denied) return;
    this.#denied = true;
    countDenied(this.#metrics, code);
  }

  /** False when so much waits for this reader already that the next message must be dropped. */
  hasRoom(): boolean {
    return !this.socket.destroyed && this.socket.writableLength <= this.#backlogBytes;
  }

  /**
   * Called when the socket's buffer is full. aedes would hold the message, and with it the sender and everybody else
   * who hears this topic, until this one reader reads. Here only the reader himself has something to lose.
   */
  watchDrain(): void {
    if (this.#stuck !== undefined) return;
    this.#stuck = setTimeout(() => this.deny('LINK_LOST'), this.#limits.drainMs);
    this.socket.once('drain', () => {
      clearTimeout(this.#stuck);
      this.#stuck = undefined;
    });
  }

  #admit(chunk: Buffer): boolean {
    const before = this.#scanner.packets;
    try {
      this.#bytesIn += chunk.length;
      this.#scanner.take(chunk);
      if (this.rights === undefined) this.#checkStranger();
    } catch (error) {
      this.deny(codeOf(error));
      return false;
    }
    const packets = this.#scanner.packets - before;
    this.#metrics.packetsIn += packets;
    this.#metrics.bytesIn += chunk.length;
    return this.#pace(packets, chunk.length);
  }

  #checkStranger(): void {
    const { firstType, packets } = this.#scanner;
    demand(packets === 0 || firstType === CONNECT, 'MALFORMED', 'the first packet is not CONNECT');
    demand(this.#bytesIn <= this.#limits.strangerBytes, 'TOO_LARGE', `${this.#bytesIn} bytes before the login`);
  }

  /** Reads no further until the device is out of debt, so that TCP slows it down; a flood ends the connection. */
  #pace(packets: number, bytes: number): boolean {
    const wait = this.#throttle?.take(packets, bytes, performance.now()) ?? 0;
    if (wait > this.#limits.debtMs) {
      this.deny('RATE_LIMITED');
      return false;
    }
    if (wait > 0) this.#resume = setTimeout(() => this.#goOn(), wait);
    return true;
  }

  #goOn(): void {
    this.#resume = undefined;
    if (!this.socket.destroyed) this.socket.emit('readable');
  }

  #ended(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#resume);
    clearTimeout(this.#stuck);
    this.#metrics.bytesOut += this.socket.bytesWritten;
  }
}
