/**
 * The order of a ledger on an EVM chain, for the mirror. What is submitted goes three ways, in this order:
 *  1. tried over everything sent before it: what our contract would refuse costs no gas
 *  2. a release is proposed on the chain with its upload; a confirm waits until k nodes have voted and the votes are final
 *  3. the statement takes its place in a batch; whoever submitted it hears when the batch is final and mirrored
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import { readEntry } from '../contract/entry.ts';
import type { FinalBlock, OrderedSource, Position } from '../mirror/order.ts';
import { readBatch } from './batches.ts';
import { followChain } from './follower.ts';
import { type ChainPosition, checkStands, type OrderedEvent, positionAt, startPosition } from './order.ts';
import type { EvmParts } from './parts.ts';
import { Recorder } from './recorder.ts';
import { Releases } from './releases.ts';

export class EvmSource implements OrderedSource {
  readonly #parts: EvmParts;
  readonly #recorder: Recorder;
  readonly #releases: Releases;

  constructor(parts: EvmParts) {
    this.#parts = parts;
    this.#recorder = new Recorder(parts);
    this.#releases = new Releases(parts);
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
  ): Promise<{ stop(): void }> {
    const { chain, profile, troubled } = this.#parts;
    const from = after
      ? await positionAt(chain, { block: after.block, hash: after.hash }, profile.fromBlock)
      : await startPosition(chain, profile.fromBlock);
    const told: Told = { last: undefined };
    const follower = followChain({
      chain,
      from,
      confirmations: profile.confirmations,
      pollMs: profile.pollMs,
      take: (events, position) => this.#take(events, position, told, call),
      ...(troubled && { troubled }),
      failed: (error) => {
        this.#recorder.end(error);
        failed(error);
      },
    });
    this.#recorder.wake(() => follower.look());
    return { stop: () => void follower.stop() };
  }

  async close(): Promise<void> {
    this.#recorder.end(new Refusal('UNREACHABLE', 'the ledger is closed'));
    await this.#parts.chain.close();
  }

  /**
   * Blocks without entries say nothing, so only the last of a step is told, to move the mark. A step that broke off between
   * two blocks (a node or a gateway that did not answer) comes again from its beginning: what was told of it is passed
   * over, if it still stands.
   */
  async #take(
    events: readonly OrderedEvent[],
    position: ChainPosition,
    told: Told,
    call: (block: FinalBlock) => Promise<void>,
  ) {
    const { last } = told;
    if (last) await checkStands(this.#parts.chain, last);
    const blocks = new Map<number, OrderedEvent[]>();
    const fresh = events.filter(({ block }) => last === undefined || block > last.block);
    for (const event of fresh) blocks.set(event.block, [...(blocks.get(event.block) ?? []), event]);
    for (const [number, own] of blocks) {
      const transactions: { tx: number; statements: Uint8Array[] }[] = [];
      const batches = own.filter(({ name }) => name === 'Batch');
      for (const event of batches) {
        const statements = await readBatch(this.#parts.files, this.#parts.verifier.sha256, describedBy(event));
        for (const statement of statements) await this.#releases.checkOrder(statement, event);
        transactions.push({ tx: event.index, statements });
      }
      const hash = own[0]!.blockHash;
      if (transactions.length > 0) {
        await call({ number, hash, transactions });
        told.last = { block: number, hash };
      }
      for (const { args } of batches) this.#recorder.mirrored(String(args.digest));
    }
    if (!blocks.get(position.block)?.some(({ name }) => name === 'Batch')) {
      await call({ number: position.block, hash: position.hash, transactions: [] });
    }
  }
}

/** The last block with entries that was handed over. */
interface Told {
  last: Position | undefined;
}

function describedBy({ args }: OrderedEvent): { digest: Uint8Array; root: Uint8Array; count: number } {
  const bytes = (value: unknown) => {
    const read = unhex(String(value).slice(2));
    demand(read?.length === 32, 'DIVERGED', `a batch with ${String(value)}`);
    return read;
  };
  return { digest: bytes(args.digest), root: bytes(args.root), count: Number(args.count) };
}
