/**
 * Opening a ledger. Ordinary opening and recovery are one path: replay whatever the index has not seen, whether that
 * is nothing, the block of a crash, or everything. Inside the signed head anything wrong is refused and left as it is;
 * beyond it an unfinished last block is cut off, and that is all this ever mends.
 */
import { existsSync } from 'node:fs';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { fromHex, toHex } from '../contract/state.ts';
import { indexEntry } from '../effects.ts';
import { type ChainPoint, startOf } from '../execution.ts';
import { readBlock } from '../log/block.ts';
import { ClassIndex } from '../log/class-index.ts';
import { Tiles } from '../log/tiles.ts';
import { replay } from '../replay.ts';
import { compositeKey } from '../transaction-stub.ts';
import { currentRoot } from './current-root.ts';
import { checkStoredHead, loadHeadFile, type StoredHead } from './head-file.ts';
import { IndexStore } from './index-store.ts';
import { record } from './record.ts';
import { cutAt, type Frame, type Place, readFrames, Segments, writeAgain } from './segments.ts';
import type { IndexedTo } from './stores.ts';

export interface Recovered {
  point: ChainPoint;
  tiles: Tiles;
  index: IndexStore;
  /** As stored, and its exact bytes for the next compare-and-swap. */
  head: StoredHead;
  headBytes: Uint8Array;
  /** What was done beyond reading. */
  mended: { cutBytes: number; replayedBlocks: number; rebuilt: boolean };
}

/** @throws Refusal BAD_HEAD, BAD_BLOCK, TORN, BAD_STORE and the codes of a block's signatures */
export async function recover(folder: string, indexFolder: string, verifier: Verifier): Promise<Recovered> {
  const { bytes: headBytes, stored: head } = await loadHeadFile(folder);
  const { index, start, rebuilt } = await openIndex(folder, indexFolder, head, verifier);
  try {
    const from = index.indexedTo();
    const { point, cutBytes, replayedBlocks } = await replayRest(folder, index, start, head, verifier, from?.place);
    return { point, tiles: start.tiles, index, head, headBytes, mended: { cutBytes, replayedBlocks, rebuilt } };
  } catch (error) {
    await index.close();
    throw error;
  }
}

interface Start {
  point: ChainPoint;
  tiles: Tiles;
}

/** The index if it fits the blocks, otherwise an empty one. Whatever is wrong with it, the blocks have all it had. */
async function openIndex(folder: string, indexFolder: string, head: StoredHead, verifier: Verifier) {
  const existed = existsSync(indexFolder);
  const index = await IndexStore.open(indexFolder).catch(() => undefined);
  const start = index && (await startFrom(folder, index, head, verifier).catch(() => undefined));
  if (start) return { index, start, rebuilt: false };
  await index?.close();
  const fresh = await IndexStore.open(indexFolder, true);
  return {
    index: fresh,
    start: { point: startOf(verifier), tiles: Tiles.empty(verifier.sha256, fresh) },
    rebuilt: existed,
  };
}

/** Where the index has come to; undefined where it is empty, of other blocks, or ahead of the head file. */
async function startFrom(
  folder: string,
  index: IndexStore,
  head: StoredHead,
  verifier: Verifier,
): Promise<Start | undefined> {
  const { sha256 } = verifier;
  const to = index.indexedTo();
  if (!to || to.number > head.blockNumber || !(await stands(folder, to, verifier))) return undefined;
  const tiles = Tiles.open(sha256, index, to.size, (i) => index.leaf(i)!.hash);
  const entries = [];
  for await (const { value } of index.scan(compositeKey('index', []))) entries.push(indexEntry(value));
  const point: ChainPoint = {
    number: to.number + 1,
    previousHash: fromHex(to.hash),
    time: to.time,
    frontier: tiles.frontier(),
    index: new ClassIndex(sha256, entries),
    root: currentRoot(index, verifier),
  };
  return point.root && { point, tiles };
}

async function stands(folder: string, to: IndexedTo, verifier: Verifier): Promise<boolean> {
  const segments = new Segments(folder);
  try {
    const { block, length } = await segments.readFramed(to.place);
    return length === to.place.length && toHex(verifier.sha256(block)) === to.hash;
  } finally {
    await segments.close();
  }
}

async function replayRest(
  folder: string,
  index: IndexStore,
  start: Start,
  head: StoredHead,
  verifier: Verifier,
  from: Place | undefined,
): Promise<{ point: ChainPoint; cutBytes: number; replayedBlocks: number }> {
  let { point } = start;
  let replayedBlocks = 0;
  let broken: { frame: Frame; why: unknown } | undefined;
  if (point.number === head.blockNumber + 1) checkStoredHead(point, head, verifier);
  for await (const frame of readFrames(folder, from)) {
    // Only the very last block can be unfinished: nothing may follow one that is broken.
    if (broken) throw broken.why;
    try {
      if ('torn' in frame) throw new Refusal('TORN', `block ${point.number} is incomplete: ${frame.torn}`);
      const block = readBlock(frame.bytes);
      const { sealed, next } = await replay(point, index, block, verifier);
      await index.settled();
      record(index, start.tiles, sealed, next, frame.place);
      // Whoever wrote this block may have died before its flush: a head must not promise what a power cut can take.
      if (point.number > head.blockNumber) await writeAgain(folder, frame.place, frame.bytes);
      point = next;
      replayedBlocks++;
    } catch (error) {
      if (!(error instanceof Refusal) || point.number <= head.blockNumber) throw error;
      broken = { frame, why: error };
      continue;
    }
    if (point.number === head.blockNumber + 1) checkStoredHead(point, head, verifier);
  }
  const missing = point.number <= head.blockNumber;
  demand(!missing, 'TORN', `the blocks end at ${point.number - 1}, the signed head is of block ${head.blockNumber}`);
  if (broken) await cutAt(folder, broken.frame.whole);
  await index.settled();
  return { point, cutBytes: broken ? broken.frame.whole.length : 0, replayedBlocks };
}
