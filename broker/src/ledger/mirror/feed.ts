/**
 * Feeds final entries into our own chain, in exactly their order. What our chain holds already is not taken again but
 * compared, entry by entry: so a crash between two steps neither skips nor doubles one, and a history that was
 * rewritten outside is noticed.
 *
 * Order of commitment, and what a crash after each step means:
 *  1. the outside block is final          nothing has happened here; it is read again
 *  2. our block and head, fdatasync       its entries are here; read again, they are compared and passed over
 *  3. the mark                            the next start begins behind this block
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { decodeSign1, equal, HEADER_TYP } from '@countersign/device-sdk/format';
import type { Committed, LedgerEvent } from '../client.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import type { FinalBlock, NamedStatements, Position } from './order.ts';
import { readMark, writeMark } from './position-file.ts';

/**
 * What the feed needs of the embedded engine. A mirror appends what is new; whoever only compares with an order of his
 * own waits until his copy has grown beyond a size.
 */
export type Fed = Pick<EmbeddedLedger, 'events' | 'head'> &
  ({ append: EmbeddedLedger['append'] } | { grown(size: number): Promise<void> });

/** Reports of 300 bytes: under 100 KB in memory. */
const READ_LEAVES = 256;

interface Placed {
  tx: number;
  statement: Uint8Array;
}

export class Feed {
  readonly #ledger: Fed;
  readonly #path: string;
  readonly #mirrored: (committed: Committed) => void;
  /** The next leaf of ours to compare with; at the end of our log, entries are new. */
  #leaf = 0;
  #after: Position | undefined;
  /** Leaves of ours that were read together. */
  #read: LedgerEvent[] = [];

  /**
   * @param path where the mark is kept
   * @param mirrored told of each entry when it is durable here
   */
  constructor(ledger: Fed, path: string, mirrored: (committed: Committed) => void = () => undefined) {
    this.#ledger = ledger;
    this.#path = path;
    this.#mirrored = mirrored;
  }

  /** Where to go on. A mark that does not fit our chain is not used: everything is read and compared again. */
  async start(): Promise<Position | undefined> {
    const mark = await readMark(this.#path);
    if (!mark || mark.size < 1 || mark.size > (await this.#size())) return undefined;
    const [last] = await this.#ledger.events(mark.size - 1, 1);
    if (!last || !equal(last.leafHash, mark.leaf)) return undefined;
    this.#leaf = mark.size;
    this.#after = mark;
    return mark;
  }

  /** The last block that was read to its end. */
  get after(): Position | undefined {
    return this.#after;
  }

  /** Leaves from the first on that outside blocks have brought, and the release leaf that follows from the last one. */
  async confirmed(): Promise<number> {
    if (this.#leaf >= (await this.#size())) return this.#leaf;
    const [next] = await this.#ledger.events(this.#leaf, 1);
    return next && next.leafIndex > 0 && isReleaseLeaf(next.bytes) ? this.#leaf + 1 : this.#leaf;
  }

  /** Entries of our own chain that no outside block has brought so far. */
  async beyond(): Promise<number> {
    return (await this.#size()) - (await this.confirmed());
  }

  /** @throws Refusal DIVERGED for an entry that our contract refuses, or that our chain has otherwise */
  async take(block: FinalBlock): Promise<void> {
    const before = this.#leaf;
    try {
      await this.#takeAll(block);
    } catch (error) {
      // A full disk, say: whoever hands the same block over once more means it from its first entry on.
      this.#leaf = before;
      throw error;
    }
  }

  async #takeAll(block: FinalBlock): Promise<void> {
    let carried: Placed[] = [];
    for (const { tx, statements } of block.transactions) {
      if (!('check' in statements)) carried.push(...statements.map((statement): Placed => ({ tx, statement })));
      else {
        await this.#takeCarried(block, carried);
        carried = [];
        await this.#takeNamed(statements);
      }
    }
    await this.#takeCarried(block, carried);
    await this.#mark(block);
  }

  async #takeCarried(block: FinalBlock, entries: readonly Placed[]): Promise<void> {
    for (let next = 0; next < entries.length; ) {
      if (await this.#holds(block, entries[next]!)) next++;
      else if ('grown' in this.#ledger) await this.#ledger.grown(this.#leaf);
      else next += await this.#append(this.#ledger.append, block, entries.slice(next));
    }
  }

  /** All or none: the next leaf of ours moves only when the copy has every entry that is named. */
  async #takeNamed({ count, name, check }: NamedStatements): Promise<void> {
    const found: Uint8Array[] = [];
    let leaf = this.#leaf;
    while (found.length < count) {
      const more = await this.#ledger.events(leaf, Math.min(READ_LEAVES, count - found.length));
      for (const { leafIndex, bytes } of more) if (leafIndex === 0 || !isReleaseLeaf(bytes)) found.push(bytes);
      leaf += more.length;
      if (more.length > 0) continue;
      // Only a copy gets them from elsewhere; a mirror appends, and there is nothing to append.
      if (!('grown' in this.#ledger)) throw new Refusal('NOT_FOUND', `nobody has the file ${name}`);
      await this.#ledger.grown(leaf);
    }
    await check(found);
    this.#leaf = leaf;
  }

  /** Whether the entry is the next one of our chain. False at its end. */
  async #holds(block: FinalBlock, { tx, statement }: Placed): Promise<boolean> {
    const size = await this.#size();
    if (this.#leaf >= size) return false;
    let own = await this.#own();
    if (own && own.leafIndex > 0 && isReleaseLeaf(own.bytes)) {
      if (++this.#leaf >= size) return false;
      own = await this.#own();
    }
    const same = own !== undefined && equal(own.bytes, statement);
    demand(
      same,
      'DIVERGED',
      `${where(block, tx)} is not entry ${this.#leaf} of this ledger, which was mirrored before`,
    );
    this.#leaf++;
    return true;
  }

  /** The next leaf of ours. Many are read at once: after a lost mark the whole log is compared. */
  async #own(): Promise<LedgerEvent | undefined> {
    const at = this.#leaf - (this.#read[0]?.leafIndex ?? 0);
    if (at >= 0 && at < this.#read.length) return this.#read[at];
    this.#read = await this.#ledger.events(this.#leaf, READ_LEAVES);
    return this.#read[0];
  }

  /** @returns how many were appended: all */
  async #append(append: EmbeddedLedger['append'], block: FinalBlock, entries: readonly Placed[]): Promise<number> {
    const { committed, refusal } = await append(entries.map(({ statement }) => statement));
    this.#leaf = await this.#size();
    for (const one of committed) this.#mirrored(one);
    if (!refusal) return entries.length;
    const place = where(block, entries[committed.length]!.tx);
    const text = `${place} is final on the outside engine, and this contract refuses it: ${refusal.code}, ${refusal.message}`;
    throw new Refusal('DIVERGED', text, { cause: refusal });
  }

  async #mark({ number, hash }: FinalBlock): Promise<void> {
    this.#after = { block: number, hash };
    if (this.#leaf === 0) return;
    const [last] = await this.#ledger.events(this.#leaf - 1, 1);
    await writeMark(this.#path, { block: number, hash, size: this.#leaf, leaf: last!.leafHash });
  }

  async #size(): Promise<number> {
    return (await this.#ledger.head()).head.size;
  }
}

function where({ number, hash }: FinalBlock, tx: number): string {
  return `block ${number} (${hash.slice(0, 16)}), transaction ${tx}`;
}

/** The leaf behind a confirm: a bare block 1, which has no typ. It is ours to append, no entry of the outside engine. */
export function isReleaseLeaf(bytes: Uint8Array): boolean {
  // A trust root is an array of two; everything else is a tagged COSE_Sign1.
  return bytes[0] !== 0x82 && decodeSign1(bytes).protected.get(HEADER_TYP) === undefined;
}
