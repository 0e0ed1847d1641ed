/**
 * Hyperledger Fabric as the source of order: entries go through endorsement by the organisations, ordering and
 * validation; what is valid in a block is final, and is read back from this organisation's own peer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '@countersign/device-sdk';
import type { Contract, Network } from '@hyperledger/fabric-gateway';
import { common } from '@hyperledger/fabric-protos';
import type { OrderedSource } from '../mirror/order.ts';
import { type Connection, openConnection } from './connection.ts';
import { failureOf, textOf } from './failures.ts';
import { followBlocks } from './follow-blocks.ts';
import type { FabricProfile } from './profile.ts';
import { Turns } from './turns.ts';

/** Each try is endorsed anew; what conflicts eight times with others is wanted by too many at once. */
export const TRIES_MAX = 8;
/** First wait, doubled each time, each with jitter: those who collided must not meet again. */
const WAIT_MS = 50;
const WAIT_MS_MAX = 2_000;
/** A peer's gateway takes 500 calls at once by default, and other clients want some. */
export const IN_FLIGHT_MAX = 128;

export interface FabricOptions {
  /** From 0 up to 1, for jitter. */
  random?: () => number;
  /** Told of what is tried again. */
  tell?: (text: string) => void;
}

export function fabricSource(profile: FabricProfile, options: FabricOptions = {}): OrderedSource {
  const connection = openConnection(profile);
  return new FabricSource(profile, connection, options);
}

class FabricSource implements OrderedSource {
  readonly #profile: FabricProfile;
  readonly #connection: Connection;
  readonly #network: Network;
  readonly #contract: Contract;
  readonly #options: FabricOptions;
  readonly #turns = new Turns(IN_FLIGHT_MAX);
  readonly #closing = new AbortController();

  constructor(profile: FabricProfile, connection: Connection, options: FabricOptions) {
    this.#profile = profile;
    this.#connection = connection;
    this.#options = options;
    this.#network = connection.gateway.getNetwork(profile.channel);
    this.#contract = this.#network.getContract(profile.chaincode);
  }

  async begin(statements: readonly Uint8Array[]): Promise<void> {
    if ((await this.#evaluate(this.#contract, 'listPeople', this.#profile.ledger)).toString() !== '[]') return;
    try {
      await this.#send('begin', statements);
    } catch (error) {
      // Another organisation was faster. Whether it began the same ledger is seen by whoever follows.
      if (!(error instanceof Refusal && error.code === 'EXISTS')) throw error;
    }
  }

  async submit(statement: Uint8Array): Promise<void> {
    await this.#turns.take(() => this.#send('submit', [statement]));
  }

  async height(): Promise<number> {
    const { channel } = this.#profile;
    const answer = await this.#evaluate(this.#network.getContract('qscc'), 'GetChainInfo', channel);
    return common.BlockchainInfo.deserializeBinary(answer).getHeight() - 1;
  }

  async follow(...[after, call, failed, link]: Parameters<OrderedSource['follow']>) {
    const height = await this.height();
    const shorter = after !== undefined && height < after.block;
    if (shorter) throw new Refusal('DIVERGED', `the channel ends at block ${height}, ${after.block} was mirrored`);
    const { chaincode, ledger } = this.#profile;
    return followBlocks(
      {
        network: this.#network,
        ours: { chaincode, ledger },
        wait: (n) => this.#wait(n),
        reach: () => this.height(),
        unreachable: (what, error) => this.#unreachable(what, error),
      },
      ...[after, call, failed, link],
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#connection.close();
  }

  /** Endorsed, ordered and valid, or refused. */
  async #send(name: string, statements: readonly Uint8Array[]): Promise<void> {
    let unknown = false;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#sendOnce(name, statements);
      } catch (error) {
        if (this.#closing.signal.aborted) throw new Refusal('UNREACHABLE', 'the ledger is closed', { cause: error });
        const failure = failureOf(error);
        if (failure.kind === 'refused') {
          // An earlier try whose answer was lost has been logged: this is what was asked for.
          if (unknown && failure.refusal.code === 'DUPLICATE') return;
          throw failure.refusal;
        }
        if (failure.kind === 'unknown') unknown = true;
        const code = failure.kind === 'unknown' ? 'UNREACHABLE' : failure.code;
        const text = `after ${tries} tries: ${failure.why}`;
        if (tries >= TRIES_MAX) throw new Refusal(code, text, { cause: error });
        this.#options.tell?.(`tried again: ${failure.why}`);
        await this.#wait(tries);
      }
    }
  }

  async #sendOnce(name: string, statements: readonly Uint8Array[]): Promise<void> {
    const { endorsers, ledger } = this.#profile;
    await this.#contract.submit(name, {
      arguments: [ledger, ...statements.map((statement) => Buffer.from(statement).toString('base64'))],
      ...(endorsers ? { endorsingOrganizations: endorsers } : {}),
    });
  }

  async #evaluate(contract: Contract, name: string, ...args: string[]): Promise<Buffer> {
    try {
      return Buffer.from(await contract.evaluateTransaction(name, ...args));
    } catch (error) {
      throw this.#unreachable(`chaincode ${contract.getChaincodeName()}`, error);
    }
  }

  #unreachable(what: string, error: unknown): Refusal {
    const { peer, channel } = this.#profile;
    const text = `no answer from the Fabric peer ${peer} for ${what} of channel ${channel}: ${textOf(error)}`;
    return new Refusal('UNREACHABLE', text, { cause: error });
  }

  /** Full jitter: anywhere between nothing and the whole of a wait that doubles. */
  async #wait(tries: number): Promise<void> {
    const most = Math.min(WAIT_MS * 2 ** Math.min(tries, 10), WAIT_MS_MAX);
    const ms = most * (this.#options.random ?? Math.random)();
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}
