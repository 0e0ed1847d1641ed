/**
 * The order of the ledger as the chain gives it: events of final blocks, each exactly once, by block and place in it.
 * Pushed events are only a reason to look; what counts is always asked for anew from the last position, so that nothing
 * is lost with a connection.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import type { Position } from '../mirror/order.ts';
import type { Chain, ChainBlock, ChainLog } from './chain.ts';

/** Where reading stands: everything up to and including this block has been given out. */
export interface ChainPosition {
  block: number;
  /** Hash of that block; a canonical block with another hash means that final blocks were exchanged. */
  hash: string;
  /** The contract's number of the last event given out. */
  event: number;
}

export interface OrderedEvent extends ChainLog {
  /** The contract's number of this event. */
  position: number;
  /** Seconds since the epoch, of its block. */
  time: number;
}

export interface Step {
  events: OrderedEvent[];
  position: ChainPosition;
  /** False where more final blocks are waiting already. */
  caughtUp: boolean;
}

/** Many nodes answer no wider question. */
export const BLOCKS_PER_QUESTION_MAX = 1_000;

/** Before anything of the contract. @param fromBlock the block in which it was deployed, or any before that */
export async function startPosition(chain: Chain, fromBlock: number): Promise<ChainPosition> {
  const before = Math.max(fromBlock - 1, 0);
  const block = await chain.block(before);
  demand(block, 'NOT_FOUND', `the chain has no block ${before}`);
  return { block: before, hash: block.hash, event: 0 };
}

/** A position that knows its block alone: the number of the last event is looked for on the chain. */
export async function positionAt(
  chain: Chain,
  at: Omit<ChainPosition, 'event'>,
  fromBlock: number,
): Promise<ChainPosition> {
  await checkStands(chain, at);
  const last = await lastWith(chain, { from: fromBlock, to: at.block }, () => true);
  return { ...at, event: last ? Number(last.args.position) : 0 };
}

/** The last event of these blocks that fits, looked for from the end. */
export async function lastWith(
  chain: Chain,
  range: { from: number; to: number },
  fits: (log: ChainLog) => boolean,
): Promise<ChainLog | undefined> {
  for (let to = range.to; to >= range.from; to -= BLOCKS_PER_QUESTION_MAX) {
    const logs = await chain.logs(Math.max(range.from, to - BLOCKS_PER_QUESTION_MAX + 1), to);
    const found = logs.filter(fits).at(-1);
    if (found) return found;
  }
  return undefined;
}

/**
 * Reads on from `from`.
 * @param confirmations blocks that must stand on a block before its events are taken
 * @throws Refusal DIVERGED where a final block was exchanged or events do not follow one another; UNREACHABLE, also
 * where the chain was reorganised between two questions (ask again)
 */
export async function readOrder(chain: Chain, from: ChainPosition, confirmations: number): Promise<Step> {
  const final = (await chain.height()) - confirmations;
  await checkStands(chain, from);
  if (final <= from.block) return { events: [], position: from, caughtUp: true };
  const to = Math.min(final, from.block + BLOCKS_PER_QUESTION_MAX);
  const last = await mustHave(chain, to);
  const logs = await chain.logs(from.block + 1, to);
  const events = await placed(chain, logs, from.event);
  // Two answers of one chain: had it been reorganised in between, the former last block would be another one now.
  const still = await mustHave(chain, to);
  demand(still.hash === last.hash, 'UNREACHABLE', `block ${to} was exchanged while it was read`);
  const event = events.at(-1)?.position ?? from.event;
  return { events, position: { block: to, hash: last.hash, event }, caughtUp: to === final };
}

/**
 * A node that is behind what was read before is no reason for alarm; one that has another block there is.
 * @throws Refusal UNREACHABLE, DIVERGED
 */
export async function checkStands(chain: Chain, { block, hash }: Position): Promise<void> {
  const now = await chain.block(block);
  demand(now, 'UNREACHABLE', `the node does not have block ${block} yet, which was final`);
  if (now.hash === hash) return;
  const text = `block ${block} was final with hash ${hash}, and the chain has ${now.hash} there now`;
  throw new Refusal('DIVERGED', `${text}: a reorganisation deeper than the confirmations that were waited for`);
}

async function placed(chain: Chain, logs: readonly ChainLog[], before: number): Promise<OrderedEvent[]> {
  const blocks = new Map<number, ChainBlock>();
  const events: OrderedEvent[] = [];
  let expected = before + 1;
  for (const log of [...logs].sort((a, b) => a.block - b.block || a.index - b.index)) {
    const block = blocks.get(log.block) ?? (await mustHave(chain, log.block));
    blocks.set(log.block, block);
    demand(block.hash === log.blockHash, 'UNREACHABLE', `block ${log.block} was exchanged while it was read`);
    const position = Number(log.args.position);
    // The contract numbers its events. A gap in final blocks is a node that hides some, or one that lost its index.
    const text = `event ${expected} is missing: block ${log.block} goes on with event ${position}`;
    demand(position === expected, 'DIVERGED', text);
    expected++;
    events.push({ ...log, position, time: block.time });
  }
  return events;
}

async function mustHave(chain: Chain, number: number): Promise<ChainBlock> {
  const block = await chain.block(number);
  demand(block, 'UNREACHABLE', `the node does not have block ${number}`);
  return block;
}
