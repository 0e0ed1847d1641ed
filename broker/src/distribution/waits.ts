import type { ServerClock } from './ports.ts';

/** Timers end at 24.8 days on this platform; a longer wait is a shorter one that is asked for again. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Everything that waits, so that nothing does after `end`. */
export class Waits {
  readonly #clock: ServerClock;
  readonly #cancels = new Set<() => void>();
  #ended = false;

  constructor(clock: ServerClock) {
    this.#clock = clock;
  }

  get ended(): boolean {
    return this.#ended;
  }

  later(ms: number, call: () => unknown): void {
    if (this.#ended) return;
    const cancel = this.#clock.after(Math.min(ms, TIMER_MS_MAX), () => {
      this.#cancels.delete(cancel);
      void call();
    });
    this.#cancels.add(cancel);
  }

  /** @returns a function that makes `call` happen once, `ms` after it was first asked, however often it is asked */
  throttled(ms: number, call: () => unknown): () => void {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      this.later(ms, () => {
        waiting = false;
        return call();
      });
    };
  }

  end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }
}
