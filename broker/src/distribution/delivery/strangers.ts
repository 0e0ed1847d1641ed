import type { DeliveryLimits } from './limits.ts';

/** Counts connections that have not logged in, in all and by address, so that nobody can fill the door. */
export class Strangers {
  readonly #limits: Pick<DeliveryLimits, 'strangers' | 'strangersPerAddress'>;
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  constructor(limits: Pick<DeliveryLimits, 'strangers' | 'strangersPerAddress'>) {
    this.#limits = limits;
  }

  /** @returns a function that gives the place back, the first time it is called; undefined when there is none left */
  enter(address: string): (() => void) | undefined {
    const here = this.#byAddress.get(address) ?? 0;
    if (this.#all >= this.#limits.strangers || here >= this.#limits.strangersPerAddress) return undefined;
    this.#all++;
    this.#byAddress.set(address, here + 1);
    let inside = true;
    return () => {
      if (inside) this.#leave(address);
      inside = false;
    };
  }

  #leave(address: string): void {
    const here = this.#byAddress.get(address)! - 1;
    this.#all--;
    if (here === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, here);
  }
}
