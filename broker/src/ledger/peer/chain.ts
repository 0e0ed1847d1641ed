/**
 * A whole copy of the ledger that somebody else orders: the same block files, the same head file, the same index. A
 * block enters only through replay, so the copy never holds what it has not executed itself.
 *
 * Order of commitment, as the writer's: replay; append and fdatasync; head file; index. A crash after any step leaves a
 * folder that opens like the writer's own.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, type Head } from '@countersign/device-sdk/format';
import { flush, makeFolder, writeDurable } from '../../store/durable.ts';
import type { Committed } from '../client.ts';
import { encodeStoredHead, HEAD_FILE, HeadFile, type StoredHead } from '../embedded/head-file.ts';
import { lock } from '../embedded/lock.ts';
import { Reader } from '../embedded/reader.ts';
import { record } from '../embedded/record.ts';
import { type Recovered, recover } from '../embedded/recover.ts';
import { Segments } from '../embedded/segments.ts';
import { type EmbeddedLedger, Growth, type Intake, ledgerSource } from '../embedded/source.ts';
import type { Standing } from '../embedded/stores.ts';
import { type ChainPoint, startOf } from '../execution.ts';
import { MemoryValues } from '../key-values.ts';
import { type Block, headOf, readBlock } from '../log/block.ts';
import { replay } from '../replay.ts';

export function hasChain(dir: string): boolean {
  return existsSync(join(dir, 'ledger'));
}

/**
 * Makes the copy in `dir`/ledger from block 0, whole or not at all.
 * @param pinned trust root 1 from outside: entry 0 must be exactly these bytes
 * @throws Refusal BAD_ROOT for another ledger's block; BAD_BLOCK, BAD_SIGNATURE and what replay says
 */
export async function createChain(dir: string, first: Uint8Array, pinned: Uint8Array, verifier: Verifier) {
  const block = readBlock(first);
  demand(equal(block.transactions[0]!, pinned), 'BAD_ROOT', 'entry 0 is another trust root than the one from outside');
  const { next } = await replay(startOf(verifier), new MemoryValues(), block, verifier);
  const folder = join(dir, 'ledger');
  const temporary = `${folder}.new-${randomBytes(4).toString('hex')}`;
  await makeFolder(temporary);
  try {
    const segments = new Segments(temporary);
    await segments.append(0, first);
    await segments.close();
    await writeDurable(join(temporary, HEAD_FILE), encodeStoredHead(storedHeadOf(block, next)));
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await flush(dir);
}

export interface PeerChain {
  readonly ledger: EmbeddedLedger;
  /** Number of the block that must come next. */
  readonly next: number;
  /**
   * Checks, executes and keeps the next block.
   * @returns whether a release was confirmed in it
   * @throws Refusal as replay; BAD_STORE where the disk failed: then nothing more is taken until a restart
   */
  extend(bytes: Uint8Array): Promise<{ confirmed: boolean }>;
  /** Keeps a head that the log signed again for the tree as it stands, with a later time. */
  renew(head: Head, signed: Uint8Array): Promise<void>;
}

/**
 * @throws Refusal NOT_FOUND, LOCKED, BAD_HEAD, BAD_BLOCK, TORN, BAD_STORE; BAD_ROOT for the copy of another ledger
 */
export async function openChain(dir: string, pinned: Uint8Array, verifier: Verifier): Promise<PeerChain> {
  const folder = join(dir, 'ledger');
  const unlock = await lock(join(folder, 'lock'));
  try {
    const recovered = await recover(folder, join(folder, 'index'), verifier);
    const copy = new Copy(folder, recovered, verifier, unlock);
    return await copy.begin(pinned);
  } catch (error) {
    await unlock();
    throw error;
  }
}

class Copy implements Standing, Intake {
  readonly #recovered: Recovered;
  readonly #verifier: Verifier;
  readonly #segments: Segments;
  readonly #headFile: HeadFile;
  readonly #growth = new Growth();
  readonly #unlock: () => Promise<void>;
  #point: ChainPoint;
  #head: StoredHead;
  #failure: Refusal | undefined;

  constructor(folder: string, recovered: Recovered, verifier: Verifier, unlock: () => Promise<void>) {
    this.#recovered = recovered;
    this.#verifier = verifier;
    this.#segments = new Segments(folder);
    this.#headFile = new HeadFile(folder, recovered.headBytes);
    this.#unlock = unlock;
    this.#point = recovered.point;
    this.#head = recovered.head;
  }

  get head(): StoredHead {
    return this.#head;
  }

  get point(): ChainPoint {
    return this.#point;
  }

  async begin(pinned: Uint8Array): Promise<PeerChain> {
    const { index, tiles, mended } = this.#recovered;
    const reader = new Reader(this.#verifier.sha256, this, index, tiles, this.#segments);
    try {
      const [own] = await reader.roots(1);
      demand(own && equal(own, pinned), 'BAD_ROOT', 'this folder has a copy of another ledger');
      // Blocks beyond the head file were replayed: each carries the head that the log signed for it.
      if (this.#head.blockNumber + 1 < this.#point.number) {
        const last = readBlock(await reader.block(this.#point.number - 1));
        await this.#keep(storedHeadOf(last, this.#point));
      }
    } catch (error) {
      await this.#close();
      throw error;
    }
    const ledger = ledgerSource(this, reader, this.#growth, NO_CHECKPOINTS, mended, () => this.#close());
    const next = () => this.#point.number;
    return {
      ledger,
      get next() {
        return next();
      },
      extend: (bytes) => this.#extend(bytes),
      renew: (head, signed) => this.#renew(head, signed),
    };
  }

  async #extend(bytes: Uint8Array): Promise<{ confirmed: boolean }> {
    if (this.#failure) throw this.#failure;
    const { index, tiles } = this.#recovered;
    const block = readBlock(bytes);
    const { sealed, next } = await replay(this.#point, index, block, this.#verifier);
    await this.#orFail(async () => {
      const place = await this.#segments.append(block.header.number, bytes);
      const head = storedHeadOf(block, next);
      await this.#headFile.store(head);
      await index.settled();
      record(index, tiles, sealed, next, place);
      this.#point = next;
      this.#head = head;
    });
    this.#growth.tell();
    return { confirmed: sealed.leaves.some(({ transaction }) => transaction === undefined) };
  }

  async #renew(head: Head, signed: Uint8Array): Promise<void> {
    const { head: own, blockNumber, blockHash } = this.#head;
    if (head.size !== own.size || head.time <= own.time) return;
    await this.#keep({ blockNumber, blockHash, head, signed });
    this.#growth.tell();
  }

  async #keep(head: StoredHead): Promise<void> {
    await this.#orFail(() => this.#headFile.store(head));
    this.#head = head;
  }

  async #orFail(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (cause) {
      this.#failure = new Refusal('BAD_STORE', 'the copy could not be written and has stopped', { cause });
      throw this.#failure;
    }
  }

  submit(): Promise<Committed> {
    throw new Refusal('NOT_PERMITTED', 'this is a peer: it keeps and serves the ledger, its orderer takes statements');
  }

  append(): Promise<never> {
    throw new Refusal('NOT_PERMITTED', "this is a peer: the order of entries is its orderer's");
  }

  async refreshHead(): Promise<void> {
    throw new Refusal('NOT_PERMITTED', 'this is a peer: only the log signs a new head');
  }

  async #close(): Promise<void> {
    this.#growth.end();
    await this.#segments.close();
    await this.#recovered.index.close();
    await this.#unlock();
  }
}

/** Checkpoints are signed by the log's key, which is not here; a peer answers for them as a witness. */
const NO_CHECKPOINTS = {
  async newest(): Promise<Uint8Array> {
    throw new Refusal('NOT_FOUND', 'a peer signs no checkpoint of the log: ask its orderer');
  },
};

function storedHeadOf(block: Block, next: ChainPoint): StoredHead {
  const { header, head } = block;
  return { blockNumber: header.number, blockHash: next.previousHash, head: headOf(header), signed: head };
}
