/** Blocks of this organisation's own peer, each once and in order, through any number of broken links. */
import { Refusal } from '@countersign/device-sdk';
import type { Network } from '@hyperledger/fabric-gateway';
import type { common } from '@hyperledger/fabric-protos';
import type { FinalBlock, OrderedSource, Position } from '../mirror/order.ts';
import { finalBlock, type Ours } from './fabric-block.ts';

export interface Following {
  network: Network;
  ours: Ours;
  /** Waits before the next try; longer the more there were. */
  wait(tries: number): Promise<void>;
  /** Says in words that the peer did not give what was asked. */
  unreachable(what: string, error: unknown): Refusal;
  /** Asks the peer for anything. @throws Refusal UNREACHABLE */
  reach(): Promise<unknown>;
}

/** @throws Refusal DIVERGED where block `after` is another now; UNREACHABLE where it cannot be read */
export async function followBlocks(
  following: Following,
  ...[after, call, failed, link]: Parameters<OrderedSource['follow']>
): Promise<{ stop(): void }> {
  const chain = new Chain(following, after);
  if (after) await chain.checkStart(after);
  chain.run(call, link).catch(failed);
  return { stop: () => chain.stop() };
}

class Chain {
  readonly #following: Following;
  #after: Position | undefined;
  #stopped = false;
  #stream: { close(): void } | undefined;

  constructor(following: Following, after: Position | undefined) {
    this.#following = following;
    this.#after = after;
  }

  async run(call: (block: FinalBlock) => Promise<void>, link: (trouble?: unknown) => void = () => {}): Promise<void> {
    for (let tries = 0; !this.#stopped; tries++) {
      try {
        // A stream that is open says nothing until there is a block: whether the peer is there, an answer says.
        await this.#following.reach();
        link();
        for await (const block of this.#read((this.#after?.block ?? -1) + 1)) {
          if (this.#stopped) return;
          const final = this.#checked(block);
          await call(final);
          this.#after = { block: final.number, hash: final.hash };
          tries = 0;
        }
      } catch (error) {
        if (this.#stopped) return;
        // What the blocks themselves say wrong stays wrong; everything else is the link.
        if (error instanceof Refusal && error.code !== 'UNREACHABLE') throw error;
        link(error instanceof Refusal ? error : this.#following.unreachable('its blocks', error));
      }
      await this.#following.wait(tries);
    }
  }

  /** Reads the block that was read last once more: a channel made anew would have another. */
  async checkStart({ block, hash }: Position): Promise<void> {
    for await (const found of this.#first(block)) {
      const same = finalBlock(found, this.#following.ours).hash === hash;
      if (!same) throw new Refusal('DIVERGED', `Fabric block ${block} is another than the one that was mirrored`);
      return;
    }
    throw new Refusal('UNREACHABLE', `the peer gave no block ${block}`);
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.close();
  }

  async *#first(from: number): AsyncGenerator<common.Block> {
    try {
      yield* this.#read(from);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw this.#following.unreachable(`block ${from}`, error);
    }
  }

  async *#read(from: number): AsyncGenerator<common.Block> {
    const stream = await this.#following.network.getBlockEvents({ startBlock: BigInt(from) });
    this.#stream = stream;
    try {
      yield* stream;
    } finally {
      stream.close();
    }
  }

  /** @throws Refusal DIVERGED for a block that does not follow the one before it */
  #checked(block: common.Block): FinalBlock {
    const final = finalBlock(block, this.#following.ours);
    const expected = (this.#after?.block ?? -1) + 1;
    const header = block.getHeader()!;
    const previous = Buffer.from(header.getPreviousHash_asU8()).toString('hex');
    const follows = final.number === expected && (!this.#after || previous === this.#after.hash);
    if (!follows) throw new Refusal('DIVERGED', `Fabric block ${final.number} does not follow ${expected - 1}`);
    return final;
  }
}
