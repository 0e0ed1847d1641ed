/**
 * Statements into batches, batches onto the chain. One account sends all of them, so their nonces are their order, and an
 * entry can be tried over exactly those before it. A batch that the chain
 * forgets is sent again.
 */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import type { Entry } from '../contract/entry.ts';
import { QUEUE_BYTES_MAX, QUEUE_ENTRIES_MAX } from '../embedded/writer.ts';
import type { Execution } from '../execution.ts';
import { type Batch, fitting, makeBatch } from './batches.ts';
import type { Sent } from './chain.ts';
import type { EvmParts } from './parts.ts';

interface Waiting {
  entry: Entry;
  resolve(): void;
  reject(error: unknown): void;
}

/** A node that is restarted answers within half a minute. */
const PAUSE_MS_MAX = 30_000;
/** Looks at a transaction that is not final yet this often, at least. */
const LOOK_MS_MAX = 5_000;

export class Recorder {
  readonly #parts: EvmParts;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #pumping = false;
  /** Batches that are sent and not mirrored, by digest. */
  readonly #sent = new Map<string, Waiting[]>();
  /** Everything in #sent, executed; undefined where nothing is on its way. */
  #ahead: Execution | undefined;
  #ended: unknown;
  #look: () => void = () => undefined;

  constructor(parts: EvmParts) {
    this.#parts = parts;
  }

  /** @param look makes the reader look at the chain at once */
  wake(look: () => void): void {
    this.#look = look;
  }

  /** Trust root and people, before anybody follows. @throws Refusal of the chain, UNREACHABLE */
  async begin(statements: readonly Uint8Array[]): Promise<void> {
    const { profile, chain } = this.#parts;
    const batch = makeBatch(this.#parts.verifier.sha256, statements);
    await this.#send(batch);
    const until = Date.now() + profile.timeoutMs;
    for (;;) {
      const height = await chain.height();
      const final = await chain.read(
        'recorded',
        [`0x${hex(batch.digest)}`],
        Math.max(height - profile.confirmations, 0),
      );
      if (final) return;
      demand(Date.now() < until, 'UNREACHABLE', 'the first batch did not become final in time');
      await pause(profile.pollMs);
    }
  }

  /** @throws Refusal of the contract, as if it stood behind everything that is on its way */
  async attempt(entry: Entry): Promise<void> {
    this.#checkOpen();
    // Over the mirrored state alone: what is on its way may still be what it waits for.
    if (this.#sent.size === 0 && this.#queue.length === 0) await this.#parts.speculate().add(entry.bytes, entry);
  }

  /** Resolves when the entry is mirrored. @throws Refusal of the contract or the chain, BUSY, UNREACHABLE */
  record(entry: Entry): Promise<void> {
    this.#checkOpen();
    const bytes = this.#queueBytes + entry.bytes.length;
    const room = this.#queue.length < QUEUE_ENTRIES_MAX && bytes <= QUEUE_BYTES_MAX;
    demand(room, 'BUSY', 'more entries wait for the chain than may; come back later');
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject });
      this.#queueBytes = bytes;
      void this.#pump();
    });
  }

  /** The reader has handed this batch to the mirror, and it is durable there. */
  mirrored(digest: string): void {
    for (const { resolve } of this.#sent.get(digest) ?? []) resolve();
    this.#sent.delete(digest);
    // What was ahead is behind now. A new execution begins over the ledger itself.
    if (this.#sent.size === 0) this.#ahead = undefined;
  }

  end(reason: unknown): void {
    this.#ended ??= reason;
    for (const { reject } of this.#queue.splice(0)) reject(reason);
    for (const waiting of this.#sent.values()) for (const { reject } of waiting) reject(reason);
    this.#sent.clear();
  }

  #checkOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    // What arrives in one turn goes into one batch.
    await new Promise((resume) => setImmediate(resume));
    while (this.#queue.length > 0 && this.#ended === undefined) await this.#next();
    this.#pumping = false;
  }

  async #next(): Promise<void> {
    const taken = this.#queue.splice(0, fitting(this.#queue.map(({ entry }) => entry.bytes)));
    for (const { entry } of taken) this.#queueBytes -= entry.bytes.length;
    this.#ahead ??= this.#parts.speculate();
    const valid: Waiting[] = [];
    for (const waiting of taken) {
      try {
        await this.#ahead.add(waiting.entry.bytes, waiting.entry);
        valid.push(waiting);
      } catch (error) {
        waiting.reject(error);
      }
    }
    if (valid.length === 0) return;
    const batch = makeBatch(
      this.#parts.verifier.sha256,
      valid.map(({ entry }) => entry.bytes),
    );
    const key = `0x${hex(batch.digest)}`;
    this.#sent.set(key, valid);
    try {
      void this.#settle(batch, key, await this.#sendSurely(batch, key));
    } catch (error) {
      // It was never sent, and nothing was sent behind it: what is on its way is tried once more without it.
      this.#reject(key, error);
      this.#sent.delete(key);
      await this.#rebuild();
    }
  }

  /** @returns undefined where the chain has the batch already. @throws Refusal of the contract: then it has not */
  async #send({ file, digest, root, statements }: Batch): Promise<Sent | undefined> {
    const { files, chain } = this.#parts;
    // The file first: a batch on the chain whose statements nobody has would stop every reader.
    await files.put(file);
    try {
      return await chain.send('record', [`0x${hex(root)}`, `0x${hex(digest)}`, statements.length]);
    } catch (error) {
      if (codeOf(error) !== 'EXISTS') throw error;
      return undefined;
    }
  }

  /**
   * A node that does not answer may have taken the transaction all the same, so the batch is not given up: later entries
   * are tried over it. Whoever waits for it hears after the profile's time.
   */
  async #sendSurely(batch: Batch, key: string): Promise<Sent | undefined> {
    const { profile, troubled } = this.#parts;
    const until = Date.now() + profile.timeoutMs;
    for (let waitMs = profile.pollMs; ; waitMs = Math.min(waitMs * 2, PAUSE_MS_MAX)) {
      try {
        return await this.#send(batch);
      } catch (error) {
        if (codeOf(error) !== 'UNREACHABLE' || this.#ended !== undefined) throw error;
        troubled?.(error);
        if (Date.now() > until) this.#reject(key, error);
        await pause(waitMs);
      }
    }
  }

  /** Until the batch is mirrored: a node that has forgotten the transaction is reminded of it. */
  async #settle(batch: Batch, key: string, first: Sent | undefined): Promise<void> {
    const { chain, profile } = this.#parts;
    const until = Date.now() + profile.timeoutMs;
    let sent = first;
    while (this.#sent.has(key)) {
      this.#look();
      await pause(Math.min(profile.pollMs, LOOK_MS_MAX));
      if (Date.now() > until)
        this.#reject(key, new Refusal('UNREACHABLE', 'the batch is not final yet; it may still be'));
      try {
        if (!this.#sent.has(key) || (sent && (await chain.mined(sent)))) continue;
        if (await chain.read('recorded', [key])) continue;
        // Its nonce is used, and the batch is not there: a reorganisation brought something else in its place.
        if (!sent || (await chain.nonceUsed()) > sent.nonce) sent = await this.#send(batch);
        else await sent.again().catch(() => undefined); // mostly the pool still has it
      } catch (error) {
        if (codeOf(error) === 'UNREACHABLE') continue;
        // Later entries were tried over this batch and may stand on the chain already: only a restart knows.
        return this.end(error);
      }
    }
  }

  async #rebuild(): Promise<void> {
    this.#ahead = this.#sent.size === 0 ? undefined : this.#parts.speculate();
    for (const { entry } of [...this.#sent.values()].flat()) {
      // Some of them may have been mirrored meanwhile.
      await this.#ahead?.add(entry.bytes, entry).catch(() => undefined);
    }
  }

  /** They are answered; the batch goes its way. */
  #reject(key: string, error: unknown): void {
    for (const { reject } of this.#sent.get(key) ?? []) reject(error);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
