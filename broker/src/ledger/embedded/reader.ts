/** What the embedded ledger answers: proofs, entries and queries, each from one moment of the chain. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { encodeReceipt, equal, leafHash, readHead, type Sha256 } from '@countersign/device-sdk/format';
import type { LedgerClient, LedgerEvent, LedgerHead } from '../client.ts';
import { evaluate } from '../contract/queries.ts';
import { fromHex, parse, toHex } from '../contract/state.ts';
import { Execution } from '../execution.ts';
import { type Block, readBlock } from '../log/block.ts';
import type { ClassIndex } from '../log/class-index.ts';
import type { Tiles } from '../log/tiles.ts';
import { compositeKey, TransactionStub } from '../transaction-stub.ts';
import type { StoredHead } from './head-file.ts';
import type { LeafRecord } from './leaf-record.ts';
import type { BlockStore, LedgerIndex, Standing } from './stores.ts';

/** Leaves of one answer. */
export const ENTRIES_MAX = 1_000;
/** Bytes of one answer, so that 1,000 enrolments do not make 60 MB. At least one entry is given. */
export const ENTRIES_BYTES_MAX = 4 * 1024 * 1024;
/** A release leaf is block 1, whose length the index does not say; it has under 200 bytes. */
const RELEASE_LEAF_BYTES = 200;
/** Read at once for neighbouring entries: a block of reports that came together. */
const WINDOW_BYTES = 128 * 1024;
/** No receipt below this: trust root and first people are the ledger's own beginning. */
const RECEIPT_SIZE_MIN = 2;

/** A head and the class index behind it, kept together: the contract's state moves on, proofs under this head do not. */
export interface Snapshot extends StoredHead {
  index: ClassIndex;
  /** Leaf hashes of the rollout statements that the index's entries name, by class id in hex. */
  statements: ReadonlyMap<string, Uint8Array>;
}

interface Receipted {
  receipt: Uint8Array;
  head: LedgerHead;
}

export class Reader {
  readonly #standing: Standing;
  readonly #index: LedgerIndex;
  readonly #tiles: Tiles;
  readonly #segments: BlockStore;
  #statements: { index: ClassIndex; leaves: ReadonlyMap<string, Uint8Array> } | undefined;

  readonly #sha256: Sha256;

  constructor(sha256: Sha256, standing: Standing, index: LedgerIndex, tiles: Tiles, segments: BlockStore) {
    this.#sha256 = sha256;
    this.#standing = standing;
    this.#index = index;
    this.#tiles = tiles;
    this.#segments = segments;
  }

  /** An execution over the ledger as it stands, to try entries in: nothing of it is ever written. */
  speculate(verifier: Verifier): Execution {
    const { point } = this.#standing;
    return new Execution(point, this.#index, verifier, point.time);
  }

  head(): LedgerHead {
    const { head, signed } = this.#standing.head;
    return { head, signed, cosignatures: [] };
  }

  /** The newest head with what proofs under it need later, when the ledger has grown. */
  snapshot(): Snapshot {
    const { head, point } = this.#standing;
    const { index } = point;
    // An index that has not changed has the same statements behind it.
    if (this.#statements?.index !== index) this.#statements = { index, leaves: this.#statementLeaves(index) };
    const { blockNumber, blockHash, signed } = head;
    return { blockNumber, blockHash, head: head.head, signed, index, statements: this.#statements.leaves };
  }

  #statementLeaves(index: ClassIndex): ReadonlyMap<string, Uint8Array> {
    return new Map(
      index.classes.map((classId) => {
        const state = this.#index.get(compositeKey('index', [toHex(classId)]))!;
        return [toHex(classId), fromHex(parse<'index'>(state).statementLeaf)];
      }),
    );
  }

  /** @param under the head to prove under; the newest where none is given */
  receipt(leafHash: Uint8Array, under: Pick<Snapshot, 'head' | 'signed'> = this.#standing.head): Receipted {
    const { head, signed } = under;
    const leafIndex = this.#indexOf(leafHash, head.size);
    demand(head.size >= RECEIPT_SIZE_MIN, 'NOT_FOUND', 'the ledger has no receipts yet');
    const path = this.#tiles.inclusion(leafIndex, head.size);
    const receipt = encodeReceipt(readHead(signed), leafIndex, path);
    return { receipt, head: { head, signed, cosignatures: [] } };
  }

  async announcementProof(
    classId: Uint8Array,
    under: Snapshot = this.snapshot(),
  ): ReturnType<LedgerClient['announcementProof']> {
    const index = under.index.prove(classId);
    const { receipt, head } = this.receipt(index.entry.releaseLeaf, under);
    const rollout = await this.entry(under.statements.get(toHex(classId))!);
    return { receipt, head, index, rollout };
  }

  /** Where a leaf stands in the tree of the first `size` leaves. @throws Refusal NOT_FOUND */
  inclusion(leafHash: Uint8Array, size: number): { index: number; path: Uint8Array[] } {
    const index = this.#indexOf(leafHash);
    demand(index < size, 'NOT_FOUND', `leaf ${index} is not among the first ${size}`);
    return { index, path: this.#tiles.inclusion(index, size) };
  }

  /** The first hashes of a tile. @throws Refusal NOT_FOUND beyond the signed head */
  hashes(level: number, n: number, width: number): Uint8Array {
    const hashes = this.#tiles.hashes(level, n, width);
    if (!hashes) throw new Refusal('NOT_FOUND', `the tree has no ${width} hashes in tile ${n} of level ${level}`);
    return hashes;
  }

  /** Root of the first leaves. */
  rootAt(size: number): Uint8Array {
    return this.#tiles.root(size);
  }

  /** Exactly these entries, however many bytes they are. @throws Refusal NOT_FOUND beyond the signed head */
  async entryBytes(from: number, count: number): Promise<Uint8Array[]> {
    const { size } = this.#standing.head.head;
    demand(from + count <= size, 'NOT_FOUND', `there are ${size} entries, not ${from + count}`);
    const entries: Uint8Array[] = [];
    while (entries.length < count) {
      entries.push(...(await this.entries(from + entries.length, count - entries.length)));
    }
    return entries;
  }

  /** Where a leaf stands. @throws Refusal NOT_FOUND */
  place(leafHash: Uint8Array): { leafIndex: number } {
    return { leafIndex: this.#indexOf(leafHash) };
  }

  /** A block as it is stored. @throws Refusal NOT_FOUND, BAD_STORE */
  async block(number: number): Promise<Uint8Array> {
    const place = this.#index.block(number);
    demand(place, 'NOT_FOUND', `the ledger has no block ${number}`);
    return this.#segments.read(place);
  }

  /** The block whose last leaf is leaf `size` - 1. @throws Refusal NOT_FOUND where the ledger is shorter */
  async blockEnding(size: number): Promise<Block> {
    const leaf = size > 0 ? this.#index.leaf(size - 1) : undefined;
    demand(leaf, 'NOT_FOUND', `the ledger has not ${size} entries`);
    return readBlock(await this.block(leaf.block));
  }

  consistency(from: number, to: number): Uint8Array[] {
    const { size } = this.#standing.head.head;
    const known = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 1 && from <= to && to <= size;
    demand(known, 'BAD_REQUEST', `no consistency proof from ${from} to ${to} in a tree of ${size}`);
    return this.#tiles.consistency(from, to);
  }

  async entry(leafHash: Uint8Array): Promise<Uint8Array> {
    return this.#bytesOf(this.#index.leaf(this.#indexOf(leafHash))!);
  }

  async entries(from: number, count: number): Promise<Uint8Array[]> {
    return (await this.events(from, count)).map(({ bytes }) => bytes);
  }

  /** Fewer than asked for at the end of the log, or where they would be too many bytes. */
  async events(from: number, count: number): Promise<LedgerEvent[]> {
    const { size } = this.#standing.head.head;
    const valid = Number.isSafeInteger(from) && from >= 0 && Number.isSafeInteger(count) && count >= 1;
    demand(valid && count <= ENTRIES_MAX, 'BAD_REQUEST', `entries ${from}, ${count}: at most ${ENTRIES_MAX} at a time`);
    const leaves: LeafRecord[] = [];
    let bytes = 0;
    for (let i = from; i < Math.min(size, from + count) && bytes < ENTRIES_BYTES_MAX; i++) {
      const leaf = this.#index.leaf(i);
      if (!leaf) throw new Refusal('BAD_STORE', `the index has no leaf ${i}`);
      leaves.push(leaf);
      bytes += leaf.length || RELEASE_LEAF_BYTES;
    }
    const entries = await this.#bytesOfAll(leaves);
    return leaves.map(({ hash, block, time }, i) => {
      return { leafIndex: from + i, leafHash: hash, bytes: entries[i]!, blockNumber: block, time };
    });
  }

  async roots(from: number): Promise<Uint8Array[]> {
    demand(Number.isSafeInteger(from) && from >= 0, 'BAD_REQUEST', `no trust root ${from}`);
    const roots: Uint8Array[] = [];
    for await (const { value } of this.#index.scan(compositeKey('root', ['version']))) {
      const state = parse<'root'>(value);
      if (state.version >= from) roots.push(fromHex(state.bytes));
    }
    return roots;
  }

  async evaluate(query: string, args: string[]): Promise<unknown> {
    const { origin } = this.#standing.point.root!;
    const stub = new TransactionStub(this.#index, { txId: '', channel: origin, time: this.#standing.point.time });
    return evaluate(stub, (leaf) => this.#index.leafIndex(leaf), query, args);
  }

  #indexOf(leafHash: Uint8Array, size = this.#standing.head.head.size): number {
    const index = this.#index.leafIndex(toHex(leafHash));
    const known = index !== undefined && index < size;
    if (!known) throw new Refusal('NOT_FOUND', `no entry has the leaf hash ${toHex(leafHash)}`);
    return index;
  }

  /** Entries of a block stand side by side: followers read many with one system call. */
  async #bytesOfAll(leaves: readonly LeafRecord[]): Promise<Uint8Array[]> {
    const entries: Uint8Array[] = [];
    for (let at = 0; at < leaves.length; ) {
      const run = neighbours(leaves, at);
      if (run.length < 2) entries.push(await this.#bytesOf(leaves[at]!));
      else entries.push(...(await this.#bytesOfRun(run)));
      at += Math.max(1, run.length);
    }
    return entries;
  }

  async #bytesOfRun(run: readonly LeafRecord[]): Promise<Uint8Array[]> {
    const [first, last] = [run[0]!, run.at(-1)!];
    const length = last.offset + last.length - first.offset;
    const span = await this.#segments.read({ segment: first.segment, offset: first.offset, length });
    return run.map((leaf) => {
      const at = leaf.offset - first.offset;
      return this.#checked(leaf, span.slice(at, at + leaf.length));
    });
  }

  async #bytesOf(leaf: LeafRecord): Promise<Uint8Array> {
    if (leaf.length > 0) return this.#checked(leaf, await this.#segments.read(leaf));
    const parts = this.#index.get(compositeKey('manifest', [toHex(leaf.hash)]));
    if (!parts) throw new Refusal('BAD_STORE', `release leaf ${toHex(leaf.hash)} is missing from the index`);
    return this.#checked(leaf, fromHex(parse<'manifest'>(parts).block1));
  }

  /** Old blocks are not read again at every start: damage in them must not leave as if it were the entry. */
  #checked({ hash, block }: LeafRecord, bytes: Uint8Array): Uint8Array {
    const same = equal(leafHash(this.#sha256, bytes), hash);
    demand(same, 'BAD_STORE', `block ${block} is damaged: an entry has other bytes than its leaf hash`);
    return bytes;
  }
}

/** The leaves from one on that lie in one window of one block file, in order. None where the first is a release leaf. */
function neighbours(leaves: readonly LeafRecord[], from: number): readonly LeafRecord[] {
  const first = leaves[from]!;
  let end = from;
  for (let last = first.offset; end < leaves.length; end++) {
    const { segment, offset, length } = leaves[end]!;
    const beside = length > 0 && segment === first.segment && offset >= last;
    if (!beside || offset + length - first.offset > WINDOW_BYTES) break;
    last = offset + length;
  }
  return leaves.slice(from, end);
}
