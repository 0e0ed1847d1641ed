import { Refusal } from '../src/errors.ts';
import type { Entropy, Timer } from '../src/ports.ts';

/** One MQTT connection, after its login and its subscriptions. */
export interface Wire {
  /**
   * QoS 0 resolves when the socket took it, QoS 1 with the broker's acknowledgement, which proves nothing beyond it.
   * @throws Refusal LINK_LOST, BUSY (too many unfinished)
   */
  publish(topic: string, bytes: Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void>;
  /** Ends it. `closed` is told of it, too. */
  close(): void;
}

export interface WireEvents {
  message(topic: string, bytes: Uint8Array): void;
  /** Told once, when a wire that was given out has ended. */
  closed(): void;
}

/** Makes one connection, logged in and subscribed. Rejects with a Refusal, LINK_LOST or what the broker said. */
export type Dial = (events: WireEvents) => Promise<Wire>;

export interface Backoff {
  /** The first wait. It doubles with every failure. */
  firstMs: number;
  longestMs: number;
  /** A connection that lasted as long as this is a success; a shorter one counts as one more failure. */
  stableMs: number;
}

/**
 * Half a second to a minute. Every wait is drawn between half and all of it, so that a fleet that lost its broker at
 * one moment does not come back at one moment.
 */
export const BACKOFF: Readonly<Backoff> = { firstMs: 500, longestMs: 60_000, stableMs: 5_000 };

export interface ReconnectOptions {
  dial: Dial;
  timer: Timer;
  entropy: Entropy;
  backoff?: Partial<Backoff>;
  up(wire: Wire): void;
  down(): void;
  message(topic: string, bytes: Uint8Array): void;
  /** Told why a connection could not be made. */
  trouble?(error: unknown): void;
}

/** Keeps one connection, for ever, until it is closed. `up` and `down` alternate, and `down` never comes first. */
export class Reconnecting {
  readonly #options: ReconnectOptions;
  readonly #backoff: Readonly<Backoff>;
  #wire: Wire | undefined;
  #opened = false;
  #closed = false;
  #failures = 0;
  #cancelWait: (() => void) | undefined;
  #cancelStable: (() => void) | undefined;

  constructor(options: ReconnectOptions) {
    this.#options = options;
    this.#backoff = { ...BACKOFF, ...options.backoff };
  }

  /** The connection that is up now. */
  get wire(): Wire | undefined {
    return this.#wire;
  }

  open(): void {
    if (this.#opened) throw new TypeError('a link is opened once');
    this.#opened = true;
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#cancelWait?.();
    this.#wire?.close();
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    let ended = false;
    let wire: Wire | undefined;
    const events: WireEvents = {
      message: (topic, bytes) => {
        if (!this.#closed) this.#options.message(topic, bytes);
      },
      closed: () => {
        ended = true;
        this.#lost(wire);
      },
    };
    try {
      wire = await this.#options.dial(events);
    } catch (error) {
      this.#options.trouble?.(error);
      this.#again();
      return;
    }
    if (ended) this.#again();
    else if (this.#closed) wire.close();
    else this.#up(wire);
  }

  #up(wire: Wire): void {
    this.#wire = wire;
    this.#cancelStable = this.#options.timer.after(this.#backoff.stableMs, () => {
      this.#failures = 0;
    });
    this.#options.up(wire);
  }

  #lost(wire: Wire | undefined): void {
    if (wire === undefined || this.#wire !== wire) return;
    this.#wire = undefined;
    this.#cancelStable?.();
    this.#options.down();
    this.#again();
  }

  #again(): void {
    if (this.#closed) return;
    const { firstMs, longestMs } = this.#backoff;
    const most = Math.min(longestMs, firstMs * 2 ** Math.min(this.#failures++, 30));
    const [high, low] = this.#options.entropy.random(2) as unknown as [number, number];
    const ms = most / 2 + (most / 2) * ((high * 256 + low) / 65_536);
    this.#cancelWait = this.#options.timer.after(ms, () => void this.#connect());
  }
}

/** For every publish that finds no connection. */
export function lost(text = 'not connected', cause?: unknown): Refusal {
  return new Refusal('LINK_LOST', text, { cause });
}
