/** The state of the contract, wherever it is kept: in the index of a ledger, or in the memory of an auditor. */
import type { KeyMod, KV } from './contract/stub.ts';

export interface KeyValues {
  get(key: string): Uint8Array | undefined;
  scan(prefix: string): AsyncIterable<KV>;
  /** Newest first. */
  history(key: string): AsyncIterable<KeyMod>;
}

/** State in memory, without histories: what an auditor needs to run the contract again. */
export class MemoryValues implements KeyValues {
  readonly #values = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }

  async *scan(prefix: string): AsyncGenerator<KV> {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
    for (const key of keys) yield { key, value: this.#values.get(key)! };
  }

  history(_key: string): AsyncIterable<KeyMod> {
    throw new TypeError('an auditor keeps no histories');
  }

  apply(writes: ReadonlyMap<string, Uint8Array | null>): void {
    for (const [key, value] of writes) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }
}
