/**
 * The single orderer: a bounded queue, and one block after another from it. Group commit comes by itself: what arrives
 * while a block is written becomes the next block.
 *
 * Order of commitment, and what a crash after each step means:
 *  1. execute, sign header and head    nothing has happened
 *  2. append the block, fdatasync      nobody was answered; at the next start the block is replayed and kept
 *  3. store the head, compare-and-swap the block is promised; the index is brought up at the next start
 *  4. index, then answer               a client that got no answer finds its entry logged (DUPLICATE)
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { type Signer, signHead, type TrustRoot } from '@countersign/device-sdk/format';
import { type LedgerSigner, signerUnder } from '../../keys/signers.ts';
import type { QueueState } from '../../queue-state.ts';
import type { Committed } from '../client.ts';
import { type Entry, isRoot, readEntry } from '../contract/entry.ts';
import { type ChainPoint, Execution, type Sealed } from '../execution.ts';
import { BLOCK_ENTRIES_MAX, encodeBlock, encodeHeader, headOf, signHeader } from '../log/block.ts';
import type { Tiles } from '../log/tiles.ts';
import { headAt, type StoredHead } from './head-file.ts';
import { record } from './record.ts';
import type { BlockStore, HeadStore, LedgerIndex } from './stores.ts';

/** A block of this many bytes of entries is written in a few milliseconds; larger ones only make others wait. */
export const BLOCK_BYTES_MAX = 1024 * 1024;
/** Executing longer than this before writing would delay the first entry of the block for the sake of the last. */
export const BLOCK_MS_MAX = 50;
/** Two seconds of work at 5,000 entries a second. */
export const QUEUE_ENTRIES_MAX = 10_000;
export const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** Signatures take 0.1 ms each: after this many, sockets and timers get their turn. */
const ENTRIES_PER_TURN = 32;

export interface WriterParts {
  verifier: Verifier;
  segments: BlockStore;
  headFile: HeadStore;
  index: LedgerIndex;
  tiles: Tiles;
  ordererSigner: LedgerSigner;
  logSigner: LedgerSigner;
  /** Seconds since the epoch. */
  now: () => number;
  /** Milliseconds that only pass; this machine's by default. */
  elapsedMs?: () => number;
}

/** Entries in an order decided elsewhere: how far they were taken, and why not farther. */
export interface Appended {
  committed: Committed[];
  /** Of the entry behind those committed. */
  refusal: Refusal | undefined;
}

interface Waiting {
  bytes: Uint8Array;
  /** Where it has been read already. */
  entry?: Entry;
  resolve(committed: Committed): void;
  reject(error: unknown): void;
}

export class Writer {
  readonly #parts: WriterParts;
  #point: ChainPoint;
  #head: StoredHead;
  /** Told of every new block, and of a head signed anew. */
  readonly #grown: () => void;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #dropped = 0;
  #working: Promise<void> | undefined;
  #failure: Refusal | undefined;
  #closed = false;
  #scheduled = false;

  constructor(parts: WriterParts, point: ChainPoint, head: StoredHead, grown: () => void) {
    this.#parts = parts;
    this.#point = point;
    this.#head = head;
    this.#grown = grown;
  }

  /** Head, index and tree of one and the same moment. */
  get head(): StoredHead {
    return this.#head;
  }

  get point(): ChainPoint {
    return this.#point;
  }

  queue(): QueueState {
    return { name: 'ledger', length: this.#queue.length, limit: QUEUE_ENTRIES_MAX, dropped: this.#dropped };
  }

  /** @throws Refusal BUSY, or of the entry's shape or the contract */
  async submit(statement: Uint8Array): Promise<Committed> {
    this.#checkOpen();
    const entry = readEntry(this.#parts.verifier.sha256, statement);
    const room = this.#queue.length < QUEUE_ENTRIES_MAX && this.#queueBytes + statement.length <= QUEUE_BYTES_MAX;
    if (!room) {
      this.#dropped++;
      throw new Refusal('BUSY', 'the ledger has more to write than it can; come back later');
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes: statement, entry, resolve, reject });
      this.#queueBytes += statement.length;
      this.#work();
    });
  }

  /** Writes entries in exactly this order; nothing behind one that is refused. @throws Refusal BAD_STORE, UNREACHABLE */
  async append(statements: readonly Uint8Array[]): Promise<Appended> {
    this.#checkOpen();
    const appended: Appended = { committed: [], refusal: undefined };
    const queue = statements.map((bytes): Waiting => {
      return { bytes, resolve: (one) => appended.committed.push(one), reject: (why) => refuse(appended, why) };
    });
    await this.#exclusively(async () => {
      while (queue.length > 0 && !appended.refusal) queue.unshift(...(await this.#writeBlock(takeBlock(queue), true)));
    });
    if (this.#failure) throw this.#failure;
    return appended;
  }

  /** Signs the head again with the time of now, without a block. */
  async refreshHead(): Promise<void> {
    await this.#exclusively(async () => {
      const time = this.#timeNow();
      if (time > this.#head.head.time) await this.#storeHead(this.#point, time);
    });
  }

  /** Signs and stores the head of the chain as it stands, after a block was found beyond the stored one. */
  async promise(): Promise<void> {
    await this.#storeHead(this.#point, this.#timeNow());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
  }

  #checkOpen(): void {
    if (this.#failure) throw this.#failure;
    demand(!this.#closed, 'UNREACHABLE', 'the ledger is closed');
  }

  #work(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    void this.#exclusively(async () => {
      while (this.#queue.length > 0) {
        const batch = takeBlock(this.#queue);
        const left = await this.#writeBlock(batch);
        this.#queue.unshift(...left);
        for (const { bytes } of batch.slice(0, batch.length - left.length)) this.#queueBytes -= bytes.length;
      }
      this.#scheduled = false;
    });
  }

  /** One thing at a time. What fails here leaves disk and memory in doubt: nothing more is written until a restart. */
  #exclusively(task: () => Promise<void>): Promise<void> {
    const before = this.#working ?? Promise.resolve();
    const running = before.then(async () => {
      if (this.#failure) return this.#refuseAll();
      try {
        await task();
      } catch (cause) {
        this.#failure = new Refusal('BAD_STORE', 'the ledger could not be written and has stopped', { cause });
        this.#refuseAll();
      }
    });
    this.#working = running;
    return running;
  }

  #refuseAll(): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#failure);
    this.#queueBytes = 0;
  }

  /** @param inOrder nothing behind a refused entry is executed. @returns what the next block has to take */
  async #writeBlock(batch: Waiting[], inOrder = false): Promise<Waiting[]> {
    try {
      const { answers, sealed, left } = await this.#execute(batch, inOrder);
      if (sealed) await this.#commit(sealed);
      // Refusals wait for the block, too: "already logged" must not be heard before it is durable.
      for (const answer of answers) answer(this.#point);
      return left;
    } catch (cause) {
      for (const waiting of batch)
        waiting.reject(new Refusal('BAD_STORE', 'the block could not be written', { cause }));
      throw cause;
    }
  }

  async #execute(batch: Waiting[], inOrder: boolean) {
    if (isRoot(batch[0]!.bytes)) return this.#executeRoot(batch, inOrder);
    const { index, verifier, elapsedMs = () => performance.now() } = this.#parts;
    const execution = new Execution(this.#point, index, verifier, this.#timeNow());
    const answers: ((after: ChainPoint) => void)[] = [];
    const until = elapsedMs() + BLOCK_MS_MAX;
    let done = 0;
    for (const { bytes, entry, resolve, reject } of batch) {
      if (done > 0 && elapsedMs() > until) break;
      // A trust root stands alone in its block: what came before it is written first, what comes after it later.
      if (isRoot(bytes)) break;
      if (++done % ENTRIES_PER_TURN === 0) await new Promise((resume) => setImmediate(resume));
      try {
        const leaf = await execution.add(bytes, entry);
        answers.push(({ number, frontier }) => resolve({ ...leaf, blockNumber: number - 1, size: frontier.size }));
      } catch (error) {
        answers.push(() => reject(error));
        if (inOrder) break;
      }
    }
    const sealed = execution.count > 0 ? execution.seal() : undefined;
    return { answers, sealed, left: batch.slice(done) };
  }

  /**
   * The first of the batch, which is a trust root. Header and head behind it are signed by its own keys: without them
   * here the ledger would end with this entry, so it is refused. In an order decided elsewhere it cannot be: there the
   * writer stops before it and goes on where it is opened with the keys.
   */
  async #executeRoot(batch: Waiting[], inOrder: boolean) {
    const { index, verifier } = this.#parts;
    const execution = new Execution(this.#point, index, verifier, this.#timeNow());
    const [{ bytes, entry, resolve, reject }, ...left] = batch as [Waiting, ...Waiting[]];
    const refused = (error: unknown) => ({ answers: [() => reject(error)], sealed: undefined, left });
    let leaf: Awaited<ReturnType<Execution['add']>>;
    try {
      leaf = await execution.add(bytes, entry);
    } catch (error) {
      return refused(error);
    }
    try {
      await this.#signers(execution.root!);
    } catch (error) {
      if (inOrder) throw error;
      return refused(error);
    }
    const answer = ({ number, frontier }: ChainPoint) =>
      resolve({ ...leaf, blockNumber: number - 1, size: frontier.size });
    return { answers: [answer], sealed: execution.seal(), left };
  }

  async #commit(sealed: Sealed): Promise<void> {
    const { verifier, segments, index, tiles } = this.#parts;
    const { header, transactions } = sealed;
    const { orderer, log } = await this.#signers(sealed.root);
    const ordererSignature = await signHeader(verifier.sha256, encodeHeader(header), orderer);
    const signed = await signHead(verifier.sha256, headOf(header), log);
    const bytes = encodeBlock(header, transactions, ordererSignature, signed);
    const place = await segments.append(header.number, bytes);
    const next = sealed.next(verifier.sha256(bytes));
    const head: StoredHead = {
      blockNumber: header.number,
      blockHash: next.previousHash,
      head: headOf(header),
      signed,
    };
    await this.#parts.headFile.store(head);
    await index.settled();
    // Tree, index, point and head move in one step: a reader never sees two of different blocks.
    record(index, tiles, sealed, next, place);
    this.#point = next;
    this.#head = head;
    this.#grown();
  }

  async #storeHead(point: ChainPoint, time: number): Promise<void> {
    const { verifier, headFile } = this.#parts;
    const head = { ...headAt(point), time };
    const { log } = await this.#signers(point.root!);
    const signed = await signHead(verifier.sha256, head, log);
    const stored: StoredHead = { blockNumber: point.number - 1, blockHash: point.previousHash, head, signed };
    await headFile.store(stored);
    this.#head = stored;
    this.#grown();
  }

  /** The keys that sign under a trust root. @throws Refusal UNKNOWN_KEY, REVOKED, WRONG_ROLE where they are not here */
  async #signers(root: TrustRoot): Promise<{ orderer: Signer; log: Signer }> {
    const { verifier, ordererSigner, logSigner } = this.#parts;
    return {
      orderer: await signerUnder(verifier, root, 'orderer', ordererSigner),
      log: await signerUnder(verifier, root, 'log', logSigner),
    };
  }

  /** Time never runs backwards in the ledger, whatever the clock does. */
  #timeNow(): number {
    return Math.max(this.#parts.now(), this.#point.time, this.#head.head.time);
  }
}

/** As many from the front as one block takes. */
function takeBlock(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < queue.length && count < BLOCK_ENTRIES_MAX && bytes < BLOCK_BYTES_MAX) {
    bytes += queue[count++]!.bytes.length;
  }
  return queue.splice(0, count);
}

function refuse(appended: Appended, why: unknown): void {
  appended.refusal = why instanceof Refusal ? why : new Refusal('INTERNAL', String(why), { cause: why });
}
