/**
 * An outside engine for tests of the mirror: a list of final blocks that a test may write, cut and rewrite by hand. It
 * runs no contract, so it accepts what a true engine refuses.
 */
import { createHash } from 'node:crypto';
import type { FinalBlock, OrderedSource, Position } from '@countersign/broker/ledger/mirror/order';
import { Refusal } from '@countersign/device-sdk';

export class OutsideOrder implements OrderedSource {
  readonly blocks: FinalBlock<readonly Uint8Array[]>[] = [];
  /** What `submit` says instead of making a block. */
  refuse: Refusal | undefined;
  /** Why it does not answer at all. */
  away: Refusal | undefined;
  /** Tells whoever follows that the link broke, or that it holds again. */
  link: (trouble?: unknown) => void = () => {};
  readonly #waiting = new Set<() => void>();

  async begin(statements: readonly Uint8Array[]): Promise<void> {
    if (this.blocks.length === 0) this.add([statements]);
  }

  async submit(statement: Uint8Array): Promise<void> {
    if (this.refuse) throw this.refuse;
    this.add([[statement]]);
  }

  /** A block of transactions, each of some statements. */
  add(transactions: readonly (readonly Uint8Array[])[]): FinalBlock<readonly Uint8Array[]> {
    const number = this.blocks.length;
    const hash = createHash('sha256').update(this.blocks.at(-1)?.hash ?? '');
    for (const statement of transactions.flat()) hash.update(statement);
    const block: FinalBlock<readonly Uint8Array[]> = {
      number,
      hash: hash.digest('hex'),
      transactions: transactions.map((statements, tx) => ({ tx, statements })),
    };
    this.blocks.push(block);
    for (const wake of this.#waiting) wake();
    return block;
  }

  async height(): Promise<number> {
    if (this.away) throw this.away;
    return this.blocks.length - 1;
  }

  async follow(
    after: Position | undefined,
    call: (block: FinalBlock) => Promise<void>,
    failed: (error: unknown) => void,
    link: (trouble?: unknown) => void = () => {},
  ): Promise<{ stop(): void }> {
    const known = after === undefined || this.blocks[after.block]?.hash === after.hash;
    if (!known) throw new Refusal('DIVERGED', `block ${after.block} is another now`);
    this.link = link;
    let running = true;
    let wake = () => {};
    const run = async () => {
      for (let next = after ? after.block + 1 : 0; running; ) {
        const block = this.blocks[next];
        if (block) {
          await call(block);
          next++;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          this.#waiting.add(wake);
        });
        this.#waiting.delete(wake);
      }
    };
    run().catch(failed);
    return {
      stop: () => {
        running = false;
        wake();
      },
    };
  }

  async close(): Promise<void> {}
}
