import { hex } from '@countersign/device-sdk/format';
import type { QueueState } from '../../queue-state.ts';
import type { DeviceHandler } from './port.ts';

export interface InboundLimits {
  /** Messages waiting in all. A request has about 60 bytes, a report under 1 KB. */
  waiting: number;
  /** Messages of one device waiting: an honest one has one request and one report on the way. */
  waitingPerDevice: number;
  /** Handlers at work at once: an answer reads frames from the disk. */
  atOnce: number;
}

export const INBOUND_LIMITS: Readonly<InboundLimits> = { waiting: 8_192, waitingPerDevice: 8, atOnce: 32 };

export interface InboundCounts {
  received: number;
  dropped: number;
  failed: number;
}

/**
 * A bounded queue between the broker and a handler that serves devices in turn: one that floods takes its own places
 * only. What finds no place is dropped and counted, because the sender asks again.
 */
export class Inbound {
  handler: DeviceHandler | undefined;
  readonly #limits: Readonly<InboundLimits>;
  readonly #counts: InboundCounts;
  /** In the order in which devices are served: a device goes to the end after each message. */
  readonly #queues = new Map<string, { deviceId: Uint8Array; messages: Uint8Array[] }>();
  #waiting = 0;
  #working = 0;
  #dropped = 0;

  constructor(counts: InboundCounts, limits: Readonly<InboundLimits> = INBOUND_LIMITS) {
    this.#counts = counts;
    this.#limits = limits;
  }

  state(name: string): QueueState {
    return { name, length: this.#waiting, limit: this.#limits.waiting, dropped: this.#dropped };
  }

  push(deviceId: Uint8Array, bytes: Uint8Array): void {
    const name = hex(deviceId);
    const queue = this.#queues.get(name) ?? { deviceId, messages: [] };
    const full = this.#waiting >= this.#limits.waiting || queue.messages.length >= this.#limits.waitingPerDevice;
    if (full || this.handler === undefined) {
      this.#counts.dropped++;
      this.#dropped++;
      return;
    }
    queue.messages.push(bytes);
    this.#queues.set(name, queue);
    this.#waiting++;
    this.#next();
  }

  /** Forgets what waits, and takes no more. */
  close(): void {
    this.handler = undefined;
    this.#counts.dropped += this.#waiting;
    this.#waiting = 0;
    this.#queues.clear();
  }

  #next(): void {
    while (this.#working < this.#limits.atOnce && this.#waiting > 0) {
      const [name, queue] = this.#queues.entries().next().value!;
      const bytes = queue.messages.shift()!;
      this.#queues.delete(name);
      if (queue.messages.length > 0) this.#queues.set(name, queue);
      this.#waiting--;
      this.#working++;
      void this.#work(queue.deviceId, bytes);
    }
  }

  async #work(deviceId: Uint8Array, bytes: Uint8Array): Promise<void> {
    this.#counts.received++;
    try {
      // A turn of its own: a handler that answers at once would otherwise run inside the parser of the socket.
      await new Promise((resolve) => setImmediate(resolve));
      await this.handler?.(deviceId, bytes);
    } catch {
      this.#counts.failed++;
    }
    this.#working--;
    this.#next();
  }
}
