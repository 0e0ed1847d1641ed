/** What a ledger keeps, in memory: no disk, and so nothing that could survive the process. */
import { demand } from '@countersign/device-sdk';
import { toHex } from '../contract/state.ts';
import type { KeyMod, KV } from '../contract/stub.ts';
import type { LeafRecord } from '../embedded/leaf-record.ts';
import type { Place } from '../embedded/segments.ts';
import type { BlockStore, LedgerIndex } from '../embedded/stores.ts';

/** Each block is a segment of its own, named by its number. */
export class MemoryBlocks implements BlockStore {
  readonly blocks: Uint8Array[] = [];

  async append(number: number, bytes: Uint8Array): Promise<Place> {
    demand(number === this.blocks.length, 'BAD_STORE', `block ${number} after ${this.blocks.length} blocks`);
    this.blocks.push(bytes);
    return { segment: number, offset: 0, length: bytes.length };
  }

  async read({ segment, offset, length }: Place): Promise<Uint8Array> {
    return this.blocks[segment]!.slice(offset, offset + length);
  }
}

interface Past {
  leafIndex: number;
  value: Uint8Array | null;
}

export class MemoryIndex implements LedgerIndex {
  readonly #state = new Map<string, Uint8Array>();
  readonly #histories = new Map<string, Past[]>();
  readonly #leaves = new Map<number, LeafRecord>();
  readonly #leafIndexes = new Map<string, number>();
  readonly #tiles = new Map<string, Uint8Array>();
  readonly #blocks = new Map<number, Place>();
  /** Keys in order, made anew when one came or went. */
  #sorted: string[] | undefined;
  #next: (() => void)[] = [];

  get(key: string): Uint8Array | undefined {
    return this.#state.get(key);
  }

  async *scan(prefix: string): AsyncGenerator<KV> {
    this.#sorted ??= [...this.#state.keys()].sort();
    const keys = this.#sorted.filter((key) => key.startsWith(prefix));
    const rows = keys.map((key): KV => ({ key, value: this.#state.get(key)! }));
    yield* rows;
  }

  async *history(key: string): AsyncGenerator<KeyMod> {
    for (const { leafIndex, value } of [...(this.#histories.get(key) ?? [])].reverse()) {
      const { hash, time } = this.#leaves.get(leafIndex)!;
      const timestamp = { seconds: time, nanos: 0 };
      yield { txId: toHex(hash), value: value ?? new Uint8Array(), isDelete: value === null, timestamp };
    }
  }

  leaf(index: number): LeafRecord | undefined {
    return this.#leaves.get(index);
  }

  leafIndex(leafHash: string): number | undefined {
    return this.#leafIndexes.get(leafHash);
  }

  tile(level: number, n: number): Uint8Array | undefined {
    return this.#tiles.get(`${level}/${n}`);
  }

  block(number: number): Place | undefined {
    return this.#blocks.get(number);
  }

  putBlock(number: number, place: Place): void {
    this.#next.push(() => this.#blocks.set(number, place));
  }

  putTile(level: number, n: number, hashes: Uint8Array): void {
    this.#next.push(() => this.#tiles.set(`${level}/${n}`, hashes));
  }

  putState(key: string, value: Uint8Array | null): void {
    this.#next.push(() => {
      if (value === null || !this.#state.has(key)) this.#sorted = undefined;
      if (value === null) this.#state.delete(key);
      else this.#state.set(key, value);
    });
  }

  putHistory(key: string, leafIndex: number, value: Uint8Array | null): void {
    this.#next.push(() => {
      const past = this.#histories.get(key) ?? [];
      past.push({ leafIndex, value });
      this.#histories.set(key, past);
    });
  }

  putLeaf(index: number, leaf: LeafRecord): void {
    this.#next.push(() => {
      this.#leaves.set(index, leaf);
      this.#leafIndexes.set(toHex(leaf.hash), index);
    });
  }

  finishBlock(): void {
    for (const put of this.#next.splice(0)) put();
  }

  async settled(): Promise<void> {}
}
