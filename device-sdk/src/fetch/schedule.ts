/** When a device asks for its announcement: on connecting, at jittered intervals, and sooner after a failure. */
import type { Entropy, Timer } from '../ports.ts';

/** After a lost link or a lying one: ask again after this long, doubling. */
export const RETRY_MS = 5_000;
export const RETRY_MS_MAX = 15 * 60_000;
/** A link that goes up and down asks no more often than this: the retained announcement comes anyway. */
export const CONNECT_QUIET_MS = 60_000;
export const ASK_SECONDS = 3_600;

export interface SchedulePorts {
  timer: Timer;
  entropy: Entropy;
  askSeconds?: number;
  ask(): void;
}

export class AskSchedule {
  readonly #p: SchedulePorts;
  #connected = false;
  #cancel = () => {};
  #cancelQuiet: (() => void) | undefined;
  #retrying = false;
  #retryMs = RETRY_MS;

  constructor(ports: SchedulePorts) {
    this.#p = ports;
  }

  up(): void {
    this.#connected = true;
    if (this.#cancelQuiet) this.retry();
    else this.now();
  }

  down(): void {
    this.#connected = false;
    this.#disarm();
  }

  /** Asks now, and again after the regular interval. */
  now(): void {
    if (!this.#connected) return;
    this.#arm((this.#p.askSeconds ?? ASK_SECONDS) * 1000);
    this.#cancelQuiet ??= this.#p.timer.after(CONNECT_QUIET_MS, () => {
      this.#cancelQuiet = undefined;
    });
    this.#p.ask();
  }

  /**
   * Asks sooner than the interval says. A retry that is armed already stays as it is: a flood of messages that each
   * wanted one could otherwise put it off for ever.
   * @param waitMs what the server asked for. It is not signed, so it never outlasts the regular interval.
   */
  retry(waitMs = 0): void {
    if (this.#retrying || !this.#connected) return;
    const longest = (this.#p.askSeconds ?? ASK_SECONDS) * 1000;
    this.#arm(Math.min(Math.max(this.#retryMs, waitMs), longest));
    this.#retrying = true;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
  }

  /** An announcement was understood: the next retry is a first one again. */
  succeeded(): void {
    this.#retryMs = RETRY_MS;
  }

  close(): void {
    this.down();
    this.#cancelQuiet?.();
  }

  #arm(ms: number): void {
    this.#disarm();
    this.#cancel = this.#p.timer.after(this.#jittered(ms), () => this.now());
  }

  #disarm(): void {
    this.#cancel();
    this.#retrying = false;
  }

  #jittered(ms: number): number {
    const [a, b] = this.#p.entropy.random(2);
    return Math.round(ms * (0.75 + (0.5 * (a! * 256 + b!)) / 65_536));
  }
}
