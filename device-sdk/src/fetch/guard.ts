/** What keeps hostile announcements cheap: a small memory of refused messages, and a limit on how many are looked at. */
import { Refusal } from '../errors.ts';
import { hex } from '../format/bytes.ts';
import type { Sha256 } from '../format/merkle.ts';
import type { Timer } from '../ports.ts';

/** One class has one announcement; this many different refused ones is a flood, and the oldest may go. */
export const REFUSED_MAX = 64;
/** Announcements looked at in a minute: each costs a handful of signature checks. */
export const ANNOUNCEMENTS_PER_MINUTE = 30;

/** Remembers refused messages by the SHA-256 of the whole message, in RAM alone. */
export class RefusalCache {
  readonly #sha256: Sha256;
  readonly #seen = new Set<string>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  has(bytes: Uint8Array): boolean {
    return this.#seen.size > 0 && this.#seen.has(hex(this.#sha256(bytes)));
  }

  add(bytes: Uint8Array): void {
    if (this.#seen.size >= REFUSED_MAX) {
      const [oldest] = this.#seen;
      this.#seen.delete(oldest!);
    }
    this.#seen.add(hex(this.#sha256(bytes)));
  }

  clear(): void {
    this.#seen.clear();
  }
}

export class RateLimit {
  readonly #timer: Timer;
  #left = ANNOUNCEMENTS_PER_MINUTE;
  #cancel: (() => void) | undefined;

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  /** @throws Refusal RATE_LIMITED */
  take(): void {
    if (!this.tryTake())
      throw new Refusal('RATE_LIMITED', `more than ${ANNOUNCEMENTS_PER_MINUTE} announcements in a minute`);
  }

  tryTake(): boolean {
    this.#cancel ??= this.#timer.after(60_000, () => {
      this.#cancel = undefined;
      this.#left = ANNOUNCEMENTS_PER_MINUTE;
    });
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  close(): void {
    this.#cancel?.();
  }
}
