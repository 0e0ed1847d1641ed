/**
 * The ledger without a disk: contract, blocks, tree, heads and proofs are those of the embedded engine, what it keeps is
 * kept in memory. For a world that lives in one process and one clock; nothing in it is durable.
 */
import type { Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { Checkpoints } from '../c2sp/checkpoints.ts';
import { firstBlock, type Genesis } from '../embedded/create.ts';
import type { StoredHead } from '../embedded/head-file.ts';
import { Reader } from '../embedded/reader.ts';
import { record } from '../embedded/record.ts';
import { type EmbeddedLedger, Growth, ledgerSource } from '../embedded/source.ts';
import { Writer } from '../embedded/writer.ts';
import { type ChainPoint, startOf } from '../execution.ts';
import { MemoryValues } from '../key-values.ts';
import { readBlock } from '../log/block.ts';
import { Tiles } from '../log/tiles.ts';
import { replay } from '../replay.ts';
import { MemoryBlocks, MemoryIndex } from './stores.ts';

export interface MemoryLedgerOptions extends Genesis {
  now: () => number;
  elapsedMs: () => number;
}

export interface MemoryLedger extends EmbeddedLedger {
  /** Every block as it would lie in a block file. */
  readonly blocks: readonly Uint8Array[];
}

const NOTHING_MENDED = { cutBytes: 0, replayedBlocks: 0, rebuilt: false };

/** A new ledger. Heads are signed again by `refreshHead` alone: it has no timer of its own. */
export async function createMemoryLedger(options: MemoryLedgerOptions): Promise<MemoryLedger> {
  const { ordererSigner, logSigner, now, elapsedMs } = options;
  const verifier = options.verifier ?? nodeVerifier();
  const { block, blockHash, head, signed, sealed } = await firstBlock({ ...options, verifier });
  const [segments, index] = [new MemoryBlocks(), new MemoryIndex()];
  const tiles = Tiles.empty(verifier.sha256, index);
  const point = sealed.next(blockHash);
  record(index, tiles, sealed, point, await segments.append(0, block));
  const stored: StoredHead = { blockNumber: 0, blockHash, head, signed };
  const growth = new Growth();
  const headFile = { async store() {} };
  const parts = { verifier, segments, headFile, index, tiles, ordererSigner, logSigner, now, elapsedMs };
  const writer = new Writer(parts, point, stored, () => growth.tell());
  const reader = new Reader(verifier.sha256, writer, index, tiles, segments);
  let checkpoint: Uint8Array | undefined;
  const store = { load: async () => checkpoint, save: async (note: Uint8Array) => void (checkpoint = note) };
  const tree = { head: () => writer.head.head, rootAt: (size: number) => reader.rootAt(size) };
  const checkpoints = new Checkpoints({ verifier, logSigner, store, trust: () => writer.point.root!, ...tree });
  const source = ledgerSource(writer, reader, growth, checkpoints, NOTHING_MENDED, async () => {
    growth.end();
    await writer.close();
  });
  return Object.assign(source, { blocks: segments.blocks });
}

/**
 * Executes every block again from nothing, signatures and all, as an auditor does.
 * @returns where the chain stands after the last one. @throws Refusal BAD_BLOCK and what replay says
 */
export async function replayAll(blocks: readonly Uint8Array[], verifier: Verifier): Promise<ChainPoint> {
  const values = new MemoryValues();
  let point = startOf(verifier);
  for (const bytes of blocks) {
    const { sealed, next } = await replay(point, values, readBlock(bytes), verifier);
    values.apply(sealed.writes);
    point = next;
  }
  return point;
}
