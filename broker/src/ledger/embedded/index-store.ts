/**
 * The index over the block files in LevelDB: the contract's state, histories, where each leaf stands, full tiles. It
 * follows the blocks and is rebuilt from them whenever it does not fit them; nothing is lost with it.
 */
import { Refusal } from '@countersign/device-sdk';
import { ClassicLevel } from 'classic-level';
import { toHex } from '../contract/state.ts';
import type { KeyMod, KV } from '../contract/stub.ts';
import { decodeLeaf, encodeLeaf, type LeafRecord } from './leaf-record.ts';
import type { Place } from './segments.ts';
import type { IndexedTo, LedgerIndex } from './stores.ts';

/** Values kept in memory, about 0.6 KB each: the devices of a fleet of this size are never read from disk twice. */
export const VALUES_KEPT_MAX = 32_768;

/** Of this layout: an index of an earlier one is taken for empty, and made anew from the blocks. */
const META = 'm2';
const number = (n: number) => n.toString().padStart(16, '0');

export class IndexStore implements LedgerIndex {
  readonly #database: ClassicLevel<string, Uint8Array>;
  /** Written but not yet in the database. */
  #pending = new Map<string, Uint8Array | null>();
  #writing: Promise<void> = Promise.resolve();
  #next = new Map<string, Uint8Array | null>();
  readonly #kept = new Map<string, Uint8Array>();

  private constructor(database: ClassicLevel<string, Uint8Array>) {
    this.#database = database;
  }

  /** @param fresh forget what is there. @throws Refusal BAD_STORE where not even an empty index can be made */
  static async open(folder: string, fresh = false): Promise<IndexStore> {
    let database: ClassicLevel<string, Uint8Array> | undefined;
    try {
      // Before there is an object for the folder: it opens itself in the background, and would hold the lock.
      if (fresh) await ClassicLevel.destroy(folder);
      database = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' });
      await database.open();
      return new IndexStore(database);
    } catch (cause) {
      await database?.close().catch(() => undefined);
      throw new Refusal('BAD_STORE', `the index ${folder} cannot be opened`, { cause });
    }
  }

  indexedTo(): IndexedTo | undefined {
    const bytes = this.#raw(META);
    return bytes && (JSON.parse(Buffer.from(bytes).toString()) as IndexedTo);
  }

  get(key: string): Uint8Array | undefined {
    return this.#raw(`s${key}`);
  }

  leaf(index: number): LeafRecord | undefined {
    const bytes = this.#raw(`e${number(index)}`);
    return bytes && decodeLeaf(bytes);
  }

  leafIndex(leafHash: string): number | undefined {
    const bytes = this.#raw(`l${leafHash}`);
    return bytes && Number(Buffer.from(bytes).toString());
  }

  block(n: number): Place | undefined {
    const bytes = this.#raw(`b${number(n)}`);
    if (!bytes) return undefined;
    const [segment, offset, length] = JSON.parse(Buffer.from(bytes).toString()) as [number, number, number];
    return { segment, offset, length };
  }

  tile(level: number, n: number): Uint8Array | undefined {
    return this.#raw(`t${level}/${number(n)}`);
  }

  putTile(level: number, n: number, hashes: Uint8Array): void {
    this.#next.set(`t${level}/${number(n)}`, hashes);
  }

  putState(key: string, value: Uint8Array | null): void {
    this.#next.set(`s${key}`, value);
  }

  putHistory(key: string, leafIndex: number, value: Uint8Array | null): void {
    this.#next.set(`h${key}\u0001${number(leafIndex)}`, value ?? new Uint8Array());
  }

  putLeaf(index: number, leaf: LeafRecord): void {
    this.#next.set(`e${number(index)}`, encodeLeaf(leaf));
    this.#next.set(`l${toHex(leaf.hash)}`, Buffer.from(String(index)));
  }

  putBlock(n: number, { segment, offset, length }: Place): void {
    this.#next.set(`b${number(n)}`, Buffer.from(JSON.stringify([segment, offset, length])));
  }

  /**
   * Ends the changes of one block: from here on they are seen, and written to the database meanwhile. Call it after
   * {@link settled}, so that at most one block is on its way.
   */
  finishBlock(to: IndexedTo): void {
    this.#next.set(META, Buffer.from(JSON.stringify(to)));
    this.#pending = this.#next;
    this.#next = new Map();
    for (const key of this.#pending.keys()) this.#kept.delete(key);
    const operations = [...this.#pending].map(([key, value]) =>
      value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
    );
    this.#writing = this.#database.batch(operations).then(() => this.#written());
    // Not handled here: whoever waits for `settled` meets it.
    this.#writing.catch(() => undefined);
  }

  #written(): void {
    for (const [key, value] of this.#pending) if (value !== null && key.startsWith('s')) this.#keep(key, value);
    this.#pending = new Map();
  }

  /** Waits until everything given is in the database. @throws whatever LevelDB threw at writing it */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async *scan(prefix: string): AsyncGenerator<KV> {
    for await (const [key, value] of this.#rows(`s${prefix}`, false)) yield { key: key.slice(1), value };
  }

  async *history(key: string): AsyncGenerator<KeyMod> {
    const prefix = `h${key}\u0001`;
    for await (const [row, value] of this.#rows(prefix, true)) {
      const leaf = this.leaf(Number(row.slice(prefix.length)));
      if (!leaf) continue;
      const timestamp = { seconds: leaf.time, nanos: 0 };
      yield { txId: toHex(leaf.hash), value, isDelete: value.length === 0, timestamp };
    }
  }

  /** Rows of a prefix at one moment: the iterator's snapshot and the pending changes are taken together. */
  #rows(prefix: string, reverse: boolean): AsyncGenerator<[string, Uint8Array]> {
    const pending = [...this.#pending].filter(([key]) => key.startsWith(prefix));
    const rows = this.#database.iterator({ gte: prefix, lt: `${prefix}\u{10ffff}`, reverse });
    return merged(rows, pending, reverse);
  }

  /** Pending changes first; then what is kept; then the database. */
  #raw(key: string): Uint8Array | undefined {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending ?? undefined;
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const value = this.#database.getSync(key);
    if (value && key.startsWith('s')) this.#keep(key, value);
    return value;
  }

  #keep(key: string, value: Uint8Array): void {
    this.#kept.delete(key);
    this.#kept.set(key, value);
    if (this.#kept.size > VALUES_KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#database.close();
  }
}

async function* merged(
  rows: AsyncIterable<[string, Uint8Array]>,
  pending: [string, Uint8Array | null][],
  reverse: boolean,
): AsyncGenerator<[string, Uint8Array]> {
  const before = (a: string, b: string) => (reverse ? a > b : a < b);
  const waiting = pending.sort(([a], [b]) => (before(a, b) ? -1 : 1));
  let at = 0;
  for await (const row of rows) {
    for (; at < waiting.length && before(waiting[at]![0], row[0]); at++) {
      const [key, value] = waiting[at]!;
      if (value !== null) yield [key, value];
    }
    if (waiting[at]?.[0] === row[0]) {
      const value = waiting[at++]![1];
      if (value !== null) yield [row[0], value];
    } else yield row;
  }
  for (const [key, value] of waiting.slice(at)) if (value !== null) yield [key, value];
}
