/**
 * The chain's order as final blocks, for whoever mirrors it and for a peer that compares. They differ in where the
 * statements of a batch come from: its file, or the peer's copy.
 */
import { demand } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import type { FinalBlock, FinalTransaction, OrderedSource, Position } from '../mirror/order.ts';
import type { BatchSaid } from './batches.ts';
import type { Chain } from './chain.ts';
import { followChain } from './follower.ts';
import { type ChainPosition, checkStands, type OrderedEvent, positionAt, startPosition } from './order.ts';
import type { EvmProfile } from './profile.ts';

export interface BlockReader {
  chain: Chain;
  profile: Pick<EvmProfile, 'fromBlock' | 'confirmations' | 'pollMs'>;
  /** Reads what else is to be known of the newest block. */
  look?(): Promise<void>;
  statements(said: BatchSaid, event: OrderedEvent): Promise<FinalTransaction['statements']>;
  /** The batches of a block are taken. */
  taken?(digests: readonly string[]): void;
}

/** As {@link OrderedSource.follow}; `look` asks the chain at once. */
export async function followBlocks(
  reader: BlockReader,
  ...[after, call, failed, link]: Parameters<OrderedSource['follow']>
): Promise<ReturnType<typeof followChain>> {
  const { chain, profile, look } = reader;
  const from = after
    ? await positionAt(chain, { block: after.block, hash: after.hash }, profile.fromBlock)
    : await startPosition(chain, profile.fromBlock);
  const told: Told = { last: undefined };
  return followChain({
    chain,
    from,
    confirmations: profile.confirmations,
    pollMs: profile.pollMs,
    take: (events, position) => take(reader, events, position, told, call),
    ...(look && { look }),
    ...(link && { link }),
    failed,
  });
}

/** The last block with entries that was handed over. */
interface Told {
  last: Position | undefined;
}

/**
 * Blocks without entries say nothing, so only the last of a step is told, to move the mark. A step that broke off between
 * two blocks (a node or a gateway that did not answer) comes again from its beginning: what was told of it is passed
 * over, if it still stands.
 */
async function take(
  reader: BlockReader,
  events: readonly OrderedEvent[],
  position: ChainPosition,
  told: Told,
  call: (block: FinalBlock) => Promise<void>,
): Promise<void> {
  const { last } = told;
  if (last) await checkStands(reader.chain, last);
  const blocks = new Map<number, OrderedEvent[]>();
  for (const event of events) {
    const fresh = last === undefined || event.block > last.block;
    if (fresh && event.name === 'Batch') blocks.set(event.block, [...(blocks.get(event.block) ?? []), event]);
  }
  for (const [number, batches] of blocks) {
    const transactions: FinalTransaction[] = [];
    for (const event of batches) {
      transactions.push({ tx: event.index, statements: await reader.statements(saidBy(event), event) });
    }
    const hash = batches[0]!.blockHash;
    await call({ number, hash, transactions });
    told.last = { block: number, hash };
    reader.taken?.(batches.map(({ args }) => String(args.digest)));
  }
  if (!blocks.has(position.block)) await call({ number: position.block, hash: position.hash, transactions: [] });
}

function saidBy({ args }: OrderedEvent): BatchSaid {
  const bytes = (value: unknown) => {
    const read = unhex(String(value).slice(2));
    demand(read?.length === 32, 'DIVERGED', `a batch with ${String(value)}`);
    return read;
  };
  return { digest: bytes(args.digest), root: bytes(args.root), count: Number(args.count) };
}
