import type { DeliveryLimits } from './limits.ts';

type Rates = Pick<DeliveryLimits, 'packetsPerSecond' | 'packetsBurst' | 'bytesPerSecond' | 'bytesBurst'>;

/** Two token buckets, packets and bytes, that may run into debt: the debt is the time to wait before reading more. */
export class Throttle {
  readonly #rates: Rates;
  #packets: number;
  #bytes: number;
  #at: number;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(rates: Rates, now: number) {
    this.#rates = rates;
    this.#packets = rates.packetsBurst;
    this.#bytes = rates.bytesBurst;
    this.#at = now;
  }

  /** Takes what was read. @returns milliseconds until both buckets are out of debt, 0 when they are */
  take(packets: number, bytes: number, now: number): number {
    const r = this.#rates;
    const seconds = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#packets = Math.min(r.packetsBurst, this.#packets + seconds * r.packetsPerSecond) - packets;
    this.#bytes = Math.min(r.bytesBurst, this.#bytes + seconds * r.bytesPerSecond) - bytes;
    const wait = Math.max(-this.#packets / r.packetsPerSecond, -this.#bytes / r.bytesPerSecond);
    return wait > 0 ? Math.ceil(wait * 1000) : 0;
  }
}
