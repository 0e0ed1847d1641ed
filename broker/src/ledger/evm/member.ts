/** What a repository node, a brake or the governor does on the chain with an account of its own, and what everybody may read. */
import { demand } from '@countersign/device-sdk';
import { type Chain, type ChainLog, openChain } from './chain.ts';
import { BLOCKS_PER_QUESTION_MAX } from './order.ts';
import { readProfile } from './profile.ts';

type Hex = `0x${string}`;
/** For all products, where the contract takes one. */
export const ALL_PRODUCTS: Hex = `0x${'0'.repeat(64)}`;
/** Acts of people name no statement of the ledger. */
const NO_STATEMENT = ALL_PRODUCTS;

export interface Proposed {
  product: string;
  release: string;
  sequence: number;
  /** Of nodes that stand today. */
  votes: number;
}

export interface ChainStanding {
  contract: string;
  /** Newest block. */
  block: number;
  nodes: number;
  /** Votes that confirm a release. */
  threshold: number;
  batches: number;
  governor: string;
  recorder: string;
  /** Products under the brake; all zero for all of them. */
  paused: string[];
  /** Releases that are not confirmed, in the order of their proposals. */
  proposed: Proposed[];
}

export interface Acted {
  transaction: string;
  block: number;
  gasUsed: number;
}

export interface Voted extends Acted {
  release: string;
  /** Votes that stand, of those that are needed. */
  votes: number;
  threshold: number;
  confirmed: boolean;
}

/** @param path of a profile; without an account. @throws Refusal BAD_STORE, BAD_REQUEST, NOT_FOUND, UNREACHABLE */
export async function showChain(path: string): Promise<ChainStanding> {
  return onChain(path, async (chain, fromBlock) => {
    const block = await chain.height();
    const paused = new Set<string>();
    const proposed = new Map<string, Omit<Proposed, 'votes'>>();
    for (let from = fromBlock; from <= block; from += BLOCKS_PER_QUESTION_MAX) {
      const logs = await chain.logs(from, Math.min(block, from + BLOCKS_PER_QUESTION_MAX - 1));
      for (const log of logs) follow(log, paused, proposed);
    }
    const voted = [...proposed.values()].map(async (one) => ({
      ...one,
      votes: Number(await chain.read('standingVotes', [one.release])),
    }));
    return {
      ...{ contract: chain.address, block, paused: [...paused], proposed: await Promise.all(voted) },
      nodes: Number(await chain.read('nodeCount')),
      threshold: Number(await chain.read('threshold')),
      batches: Number(await chain.read('batches')),
      governor: String(await chain.read('governor')),
      recorder: String(await chain.read('recorder')),
    };
  });
}

function follow({ name, args }: ChainLog, paused: Set<string>, proposed: Map<string, Omit<Proposed, 'votes'>>): void {
  const [product, release] = [String(args.product), String(args.release)];
  if (name === 'Paused') paused.add(product);
  if (name === 'Resumed') paused.delete(product);
  if (name === 'Proposed') proposed.set(release, { product, release, sequence: Number(args.sequence) });
  if (name === 'Confirmed') {
    // What had the same place in the index can be confirmed no more.
    for (const other of proposed.values()) {
      if (other.product === product && other.sequence <= Number(args.sequence)) proposed.delete(other.release);
    }
  }
}

/**
 * Votes for a release with the profile's account, and waits until the vote stands in a block.
 * @throws Refusal NOT_PERMITTED for an account that is no node, DUPLICATE for a second vote or a release that is confirmed,
 * NOT_FOUND for one that nobody proposed, NOT_OPEN under the brake; as {@link showChain}
 */
export async function voteOnChain(path: string, release: Hex): Promise<Voted> {
  return onChain(path, async (chain, _, timeoutMs) => {
    const acted = await act(chain, 'vote', [release], timeoutMs);
    const votes = Number(await chain.read('standingVotes', [release]));
    const threshold = Number(await chain.read('threshold'));
    const confirmed = ((await chain.read('proposals', [release])) as readonly unknown[])[3] === true;
    return { ...acted, release, votes, threshold, confirmed };
  });
}

/**
 * Pulls or lets go of the chain's brake.
 * @throws Refusal NOT_PERMITTED, DUPLICATE where it is paused, BAD_STATEMENT where it is not; as {@link showChain}
 */
export async function brakeOnChain(path: string, name: 'pause' | 'resume', product: Hex): Promise<Acted> {
  return onChain(path, (chain, _, timeoutMs) => act(chain, name, [product, NO_STATEMENT], timeoutMs));
}

async function onChain<T>(path: string, run: (chain: Chain, fromBlock: number, timeoutMs: number) => Promise<T>) {
  const profile = await readProfile(path);
  const chain = await openChain(profile);
  try {
    return await run(chain, profile.fromBlock, profile.timeoutMs);
  } finally {
    await chain.close();
  }
}

async function act(chain: Chain, name: string, args: readonly unknown[], timeoutMs: number): Promise<Acted> {
  const sent = await chain.send(name, args);
  const until = Date.now() + timeoutMs;
  for (;;) {
    const mined = await chain.mined(sent);
    if (mined) return { transaction: sent.hash, block: mined.block, gasUsed: mined.gasUsed };
    demand(Date.now() < until, 'UNREACHABLE', `${sent.hash} was not mined in time; it may still be`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A block takes a second at least on most chains. */
const LOOK_MS = 200;
