/**
 * One block being executed: entries run one after another over the state before them, each whole or not at all. The
 * writer fills one from its queue, replay from a stored block; everything a header says comes out of here.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { HASH_BYTES, leafHash, type TrustRoot } from '@countersign/device-sdk/format';
import type { Call } from './contract/call.ts';
import { invoke } from './contract/contract.ts';
import { type Entry, readEntry } from './contract/entry.ts';
import { firstRoot } from './contract/genesis.ts';
import { toHex, WITHOUT_HISTORY } from './contract/state.ts';
import type { KV } from './contract/stub.ts';
import { encodeWrites, indexChanges } from './effects.ts';
import type { KeyValues } from './key-values.ts';
import { type BlockHeader, dataHash } from './log/block.ts';
import { ClassIndex } from './log/class-index.ts';
import { Frontier } from './log/frontier.ts';
import { splitCompositeKey, TransactionStub } from './transaction-stub.ts';

/** Where a chain of blocks stands: all that the next block must continue, beside the contract's state. */
export interface ChainPoint {
  /** Number of the next block. */
  number: number;
  previousHash: Uint8Array;
  time: number;
  frontier: Frontier;
  index: ClassIndex;
  /** undefined before block 0. */
  root: TrustRoot | undefined;
}

export function startOf(verifier: Verifier): ChainPoint {
  return {
    number: 0,
    previousHash: new Uint8Array(HASH_BYTES),
    time: 0,
    frontier: new Frontier(verifier.sha256),
    index: new ClassIndex(verifier.sha256),
    root: undefined,
  };
}

export interface Leaf {
  hash: Uint8Array;
  /** Position in the block's transactions; undefined for a release leaf, whose bytes are in the contract's state. */
  transaction: number | undefined;
}

export interface Change {
  key: string;
  /** null where the key was deleted. */
  value: Uint8Array | null;
  leafIndex: number;
}

/** A block's outcome. The caller signs the header, or compares it. */
export interface Sealed {
  header: BlockHeader;
  /** In force after this block: its keys sign header and head. */
  root: TrustRoot;
  transactions: Uint8Array[];
  leaves: Leaf[];
  firstLeaf: number;
  writes: Map<string, Uint8Array | null>;
  /** Every change of every key, for histories. */
  changes: Change[];
  /** Where the chain stands after this block, whose SHA-256 as stored is given. */
  next(blockHash: Uint8Array): ChainPoint;
}

export class Execution {
  readonly #point: ChainPoint;
  readonly #values: KeyValues;
  readonly #verifier: Verifier;
  readonly #time: number;
  readonly #frontier: Frontier;
  readonly #writes = new Map<string, Uint8Array | null>();
  readonly #transactions: Uint8Array[] = [];
  readonly #leaves: Leaf[] = [];
  readonly #changes: Change[] = [];
  #root: TrustRoot | undefined;
  #newRoot = false;

  constructor(point: ChainPoint, values: KeyValues, verifier: Verifier, time: number) {
    this.#point = point;
    this.#values = values;
    this.#verifier = verifier;
    this.#time = time;
    this.#frontier = point.frontier.copy();
    this.#root = point.root;
  }

  get count(): number {
    return this.#transactions.length;
  }

  /** The trust root as the entries so far have left it. */
  get root(): TrustRoot | undefined {
    return this.#root;
  }

  /** Executes one more entry. @returns its leaf. @throws Refusal, and then nothing has changed */
  async add(bytes: Uint8Array, parsed?: Entry): Promise<{ leafIndex: number; leafHash: Uint8Array }> {
    const entry = parsed ?? (this.#root ? readEntry(this.#verifier.sha256, bytes) : undefined);
    const hash = entry?.leafHash ?? leafHash(this.#verifier.sha256, bytes);
    const origin = this.#root?.origin ?? '';
    const stub = new TransactionStub(this.#overlay(), { txId: toHex(hash), channel: origin, time: this.#time });
    const genesis = this.#point.number === 0;
    const call: Call = { stub, verifier: this.#verifier, genesis, size: this.#frontier.size };
    if (entry) await invoke(call, entry);
    else this.#root = (await firstRoot(call, bytes)).root;
    if (entry?.kind === 'root') {
      this.#root = entry.signed.root;
      this.#newRoot = true;
    }
    return this.#keep(bytes, hash, stub);
  }

  #keep(bytes: Uint8Array, hash: Uint8Array, stub: TransactionStub): { leafIndex: number; leafHash: Uint8Array } {
    const leafIndex = this.#frontier.size;
    for (const [key, value] of stub.writes) {
      this.#writes.set(key, value);
      if (!WITHOUT_HISTORY.has(splitCompositeKey(key).objectType)) this.#changes.push({ key, value, leafIndex });
    }
    this.#append({ hash, transaction: this.#transactions.length });
    this.#transactions.push(bytes);
    if (stub.leaf) this.#append({ hash: leafHash(this.#verifier.sha256, stub.leaf), transaction: undefined });
    return { leafIndex, leafHash: hash };
  }

  #append(leaf: Leaf): void {
    this.#frontier.append(leaf.hash);
    this.#leaves.push(leaf);
  }

  /**
   * @throws Refusal BAD_BLOCK for a block without entries, a first block without two people, or a later trust root that
   * is not alone in its block
   */
  seal(): Sealed {
    const { sha256 } = this.#verifier;
    const point = this.#point;
    demand(this.#transactions.length > 0 && this.#root, 'BAD_BLOCK', 'a block has at least one entry');
    demand(point.number > 0 || this.#transactions.length >= 3, 'BAD_BLOCK', 'block 0 names at least two people');
    // Whoever reads a block must know under which root it is signed before he executes more than that root.
    demand(!this.#newRoot || this.#transactions.length === 1, 'BAD_BLOCK', 'a trust root stands alone in its block');
    const root = this.#root;
    const index = point.index.with(indexChanges(this.#writes));
    const header: BlockHeader = {
      origin: root.origin,
      number: point.number,
      previousHash: point.previousHash,
      dataHash: dataHash(sha256, this.#transactions),
      time: this.#time,
      flags: 0,
      treeSize: this.#frontier.size,
      root: this.#frontier.root(),
      indexRoot: index.root(),
      writesHash: sha256(encodeWrites(this.#writes)),
      rootVersion: root.version,
    };
    return {
      header,
      root,
      transactions: this.#transactions,
      leaves: this.#leaves,
      firstLeaf: point.frontier.size,
      writes: this.#writes,
      changes: this.#changes,
      next: (previousHash) => ({
        number: point.number + 1,
        previousHash,
        time: header.time,
        frontier: this.#frontier,
        index,
        root,
      }),
    };
  }

  /** The state as the entries before this one in the block have left it. */
  #overlay(): KeyValues {
    const [writes, values] = [this.#writes, this.#values];
    return {
      get: (key) => {
        const written = writes.get(key);
        return written === undefined ? values.get(key) : (written ?? undefined);
      },
      scan: (prefix) => overlaid(values.scan(prefix), writes, prefix),
      history: () => {
        throw new Refusal('INTERNAL', 'a transaction does not look at histories');
      },
    };
  }
}

async function* overlaid(below: AsyncIterable<KV>, writes: ReadonlyMap<string, Uint8Array | null>, prefix: string) {
  const rows = new Map<string, Uint8Array>();
  for await (const { key, value } of below) rows.set(key, value);
  for (const [key, value] of writes) {
    if (!key.startsWith(prefix)) continue;
    if (value === null) rows.delete(key);
    else rows.set(key, value);
  }
  for (const key of [...rows.keys()].sort()) yield { key, value: rows.get(key)! };
}
