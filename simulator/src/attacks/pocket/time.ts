import type { Timer } from '@countersign/device-sdk';

/** Time that moves only when it is told to; timers fire in order. */
export class PocketTime implements Timer {
  now = 0;
  #timers: { at: number; call: () => void }[] = [];

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((item) => item !== timer);
    };
  }

  /** Fires the next timer if one is due within `ms`; false when there is none. */
  step(ms = Number.POSITIVE_INFINITY): boolean {
    const next = this.#timers.reduce<{ at: number; call: () => void } | undefined>(
      (first, item) => (first && first.at <= item.at ? first : item),
      undefined,
    );
    if (!next || next.at > this.now + ms) return false;
    this.#timers = this.#timers.filter((item) => item !== next);
    this.now = Math.max(this.now, next.at);
    next.call();
    return true;
  }

  /** Milliseconds until the next timer, undefined where none waits. */
  get dueMs(): number | undefined {
    const next = Math.min(...this.#timers.map(({ at }) => at));
    return Number.isFinite(next) ? Math.max(0, next - this.now) : undefined;
  }
}
