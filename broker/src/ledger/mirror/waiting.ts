/** Callers that handed an entry to the outside engine and wait until it is durable here. */
import { Refusal } from '@countersign/device-sdk';
import type { QueueState } from '../../queue-state.ts';
import type { Committed } from '../client.ts';
import { toHex } from '../contract/state.ts';

/** Two seconds of work at 5,000 entries a second, as the embedded engine's own queue. */
export const WAITING_MAX = 10_000;

interface Waiter {
  resolve(committed: Committed): void;
  reject(error: unknown): void;
}

export class Waiting {
  readonly #waiters = new Map<string, Set<Waiter>>();
  #count = 0;
  #dropped = 0;

  state(): QueueState {
    return { name: 'mirror', length: this.#count, limit: WAITING_MAX, dropped: this.#dropped };
  }

  /** @throws Refusal BUSY */
  expect(leafHash: Uint8Array): { mirrored: Promise<Committed>; forget(): void } {
    if (this.#count >= WAITING_MAX) {
      this.#dropped++;
      throw new Refusal('BUSY', 'more entries wait for the outside engine than may; come back later');
    }
    const key = toHex(leafHash);
    const waiters = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, waiters);
    let waiter!: Waiter;
    const mirrored = new Promise<Committed>((resolve, reject) => {
      waiter = { resolve, reject };
    });
    // Nobody may be listening yet when it is rejected: whoever awaits it hears of it all the same.
    mirrored.catch(() => undefined);
    waiters.add(waiter);
    this.#count++;
    const forget = () => {
      if (!waiters.delete(waiter)) return;
      this.#count--;
      if (waiters.size === 0 && this.#waiters.get(key) === waiters) this.#waiters.delete(key);
    };
    return { mirrored, forget };
  }

  tell(committed: Committed): void {
    for (const { resolve } of this.#waiters.get(toHex(committed.leafHash)) ?? []) resolve(committed);
  }

  /** Nothing more will come. */
  end(reason: Refusal): void {
    for (const waiters of this.#waiters.values()) for (const { reject } of waiters) reject(reason);
  }
}

/** @throws Refusal UNREACHABLE after `ms` milliseconds */
export async function within<T>(promise: Promise<T>, ms: number, text: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Refusal('UNREACHABLE', text)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
