/** Sends every unacknowledged report, and again until its acknowledgement comes. */
import type { Link, Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';

/**
 * Unacknowledged reports are sent again after this long, doubling: a server that is well answers within a second, and one
 * lost message must not hold a rollout's figures back for long.
 */
export const RESEND_MS = 3_000;
export const RESEND_MS_MAX = 10 * 60_000;

export class Resender {
  readonly #store: Store;
  readonly #link: Link;
  readonly #timer: Timer;
  #connected = false;
  #cancel: (() => void) | undefined;
  #waitMs = RESEND_MS;

  constructor(store: Store, link: Link, timer: Timer) {
    this.#store = store;
    this.#link = link;
    this.#timer = timer;
  }

  /** Sends now unless it did a while ago: the wait goes on over lost links, so that a flapping one costs no more. */
  up(): void {
    this.#connected = true;
    if (!this.#cancel) this.#send();
  }

  down(): void {
    this.#connected = false;
  }

  /** A new report, or an acknowledgement: the server is there, and the wait begins anew. */
  moved(): void {
    this.#waitMs = RESEND_MS;
  }

  /** Sends at once, after a new report. */
  now(): void {
    this.close();
    this.moved();
    this.#send();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #send(): void {
    const { outbox } = this.#store.state;
    if (this.#store.closed || !this.#connected || outbox.length === 0) return;
    for (const { bytes } of outbox) this.#link.report(bytes).catch(() => {});
    this.#cancel = this.#timer.after(this.#waitMs, () => {
      this.#cancel = undefined;
      this.#send();
    });
    this.#waitMs = Math.min(2 * this.#waitMs, RESEND_MS_MAX);
  }
}
