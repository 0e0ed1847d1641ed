/** A token bucket: so much at once, so much a second. */
export interface Rate {
  perSecond: number;
  burst: number;
}

export class Bucket {
  readonly #rate: Rate;
  #level: number;
  #at: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#at = nowMs;
  }

  /** Takes `amount` and says true, or takes nothing and says false. */
  take(amount: number, nowMs: number): boolean {
    const passed = Math.max(0, nowMs - this.#at);
    this.#level = Math.min(this.#rate.burst, this.#level + (passed * this.#rate.perSecond) / 1000);
    this.#at = nowMs;
    if (this.#level < amount) return false;
    this.#level -= amount;
    return true;
  }
}
