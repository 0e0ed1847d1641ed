/**
 * The chain's order for a peer, which has the statements in its copy: the batches are compared with it by root and digest,
 * so that no file and no account is needed, and nobody else is asked.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, hex, type Sha256 } from '@countersign/device-sdk/format';
import type { FollowedSource, NamedStatements, OrderedSource } from '../mirror/order.ts';
import { type BatchSaid, makeBatch } from './batches.ts';
import { type Chain, openChain } from './chain.ts';
import { followBlocks } from './followed.ts';
import type { OrderedEvent } from './order.ts';
import type { EvmProfile } from './profile.ts';
import { checkVotes } from './votes.ts';

export class ComparedSource implements FollowedSource {
  readonly #profile: EvmProfile;
  readonly #verifier: Verifier;
  #chain: Chain | undefined;
  #closed = false;

  /** @param profile with the contract's address; its account is not used */
  constructor(profile: EvmProfile, verifier: Verifier) {
    this.#profile = { ...profile, account: undefined };
    this.#verifier = verifier;
  }

  async follow(...args: Parameters<OrderedSource['follow']>): Promise<{ stop(): void }> {
    const chain = await this.#open();
    const follower = await followBlocks(
      {
        chain,
        profile: this.#profile,
        statements: async (said, event) => this.#named(chain, said, event),
      },
      ...args,
    );
    if (this.#closed) {
      await follower.stop();
      throw closedOne();
    }
    return { stop: () => void follower.stop() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#chain?.close();
  }

  /** Opened when it is first followed: a node that is away at the start is asked again. */
  async #open(): Promise<Chain> {
    this.#chain ??= await openChain(this.#profile);
    if (!this.#closed) return this.#chain;
    await this.#chain.close();
    throw closedOne();
  }

  #named(chain: Chain, said: BatchSaid, event: OrderedEvent): NamedStatements {
    const [profile, verifier] = [this.#profile, this.#verifier];
    return namedBatch(verifier.sha256, said, event, async (statements) => {
      for (const statement of statements) await checkVotes({ chain, profile, verifier }, statement, event);
    });
  }
}

/**
 * A batch for whoever has its statements: they must give the root and the digest that the chain names.
 * @param same called where they do, with the file that they make
 */
export function namedBatch(
  sha256: Sha256,
  { count, root, digest }: BatchSaid,
  event: OrderedEvent,
  same: (statements: readonly Uint8Array[], file: Uint8Array) => Promise<void>,
): NamedStatements {
  return {
    count,
    name: `${hex(digest)}, the batch of event ${event.position} in block ${event.block}`,
    async check(statements) {
      const own = makeBatch(sha256, statements);
      const text = `event ${event.position} in block ${event.block} orders other entries than the next ${count} here`;
      demand(equal(own.root, root) && equal(own.digest, digest), 'DIVERGED', text);
      await same(statements, own.file);
    },
  };
}

function closedOne(): Refusal {
  return new Refusal('UNREACHABLE', 'the order is closed');
}
