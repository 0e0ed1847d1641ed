/**
 * The order of a ledger on an EVM chain, for the mirror. What is submitted goes three ways, in this order:
 *  1. tried over everything sent before it: what our contract would refuse costs no gas
 *  2. a release is proposed on the chain with its upload; a confirm waits until k nodes have voted and the votes are final
 *  3. the statement takes its place in a batch; whoever submitted it hears when the batch is final and mirrored
 */
import { codeOf, Refusal } from '@countersign/device-sdk';
import { readEntry } from '../contract/entry.ts';
import type { FinalBlock, FinalTransaction, OrderedSource, Position } from '../mirror/order.ts';
import { type BatchSaid, readBatch } from './batches.ts';
import { Brake } from './brake.ts';
import { namedBatch } from './compared.ts';
import { type BlockReader, followBlocks } from './followed.ts';
import type { OrderedEvent } from './order.ts';
import type { EvmParts } from './parts.ts';
import { Recorder } from './recorder.ts';
import { Releases } from './releases.ts';
import { checkVotes } from './votes.ts';

export class EvmSource implements OrderedSource {
  readonly #parts: EvmParts;
  readonly #recorder: Recorder;
  readonly #releases: Releases;
  readonly #brake: Brake;

  constructor(parts: EvmParts) {
    this.#parts = parts;
    this.#recorder = new Recorder(parts);
    this.#releases = new Releases(parts);
    this.#brake = new Brake(parts);
  }

  /** The contract holds one ledger: its first batch is trust root and people. */
  async begin(statements: readonly Uint8Array[]): Promise<void> {
    const { chain } = this.#parts;
    if (((await chain.read('batches')) as bigint) > 0n) return;
    await this.#recorder.begin(statements);
  }

  async submit(statement: Uint8Array): Promise<void> {
    const { verifier } = this.#parts;
    const entry = readEntry(verifier.sha256, statement);
    await this.#recorder.attempt(entry);
    await this.#releases.before(entry);
    await this.#recorder.record(entry);
  }

  async height(): Promise<number> {
    const { chain, profile } = this.#parts;
    return Math.max((await chain.height()) - profile.confirmations, -1);
  }

  async follow(
    after: Position | undefined,
    call: (block: FinalBlock) => Promise<void>,
    failed: (error: unknown) => void,
    link?: (trouble?: unknown) => void,
  ): Promise<{ stop(): void }> {
    const reader: BlockReader = {
      ...this.#parts,
      look: () => this.#brake.look(),
      statements: (said, event) => this.#statements(said, event),
      taken: (digests) => {
        for (const digest of digests) this.#recorder.mirrored(digest);
      },
    };
    const follower = await followBlocks(
      reader,
      after,
      call,
      (error) => {
        this.#recorder.end(error);
        failed(error);
      },
      link,
    );
    this.#recorder.wake(() => follower.look());
    return { stop: () => void follower.stop() };
  }

  braked(): readonly string[] {
    return this.#brake.on;
  }

  /**
   * The file of the batch. A ledger that was copied from its peers lacks the files, and has the statements: then they are
   * compared with what the chain says, and the file is made again.
   * @throws Refusal NOT_FOUND where the ledger has them not: then the file must come back; DIVERGED
   */
  async #statements(said: BatchSaid, event: OrderedEvent): Promise<FinalTransaction['statements']> {
    const { files, verifier } = this.#parts;
    const check = async (statements: readonly Uint8Array[]) => {
      for (const statement of statements) await checkVotes(this.#parts, statement, event);
    };
    try {
      const statements = await readBatch(files, verifier.sha256, said);
      await check(statements);
      return statements;
    } catch (error) {
      if (codeOf(error) !== 'NOT_FOUND') throw error;
      return namedBatch(verifier.sha256, said, event, async (statements, file) => {
        await files.put(file);
        await check(statements);
      });
    }
  }

  async close(): Promise<void> {
    this.#recorder.end(new Refusal('UNREACHABLE', 'the ledger is closed'));
    await this.#parts.chain.close();
  }
}
