/** An alignment cut into the blocks of a container, in the order in which they are decoded. */
import type { BlockOrder } from '@countersign/device-sdk/delta';
import type { Copy } from './align.ts';

export interface Block {
  turn: number;
  start: number;
  end: number;
  /** Cut at the block's borders. */
  copies: Copy[];
}

/** What a block is written with. */
export interface BlockWriter {
  open(turn: number): void;
  insert(from: number, to: number): void;
  copy(copy: Copy): void;
  close(): void;
}

export function writeBlocks(copies: readonly Copy[], order: BlockOrder, writer: BlockWriter): void {
  for (const block of blocksOf(copies, order)) {
    writer.open(block.turn);
    let at = block.start;
    for (const copy of block.copies) {
      writer.insert(at, copy.newStart);
      writer.copy(copy);
      at = copy.newStart + copy.length;
    }
    writer.insert(at, block.end);
    writer.close();
  }
}

/** @param copies in output order, not overlapping */
export function* blocksOf(copies: readonly Copy[], order: BlockOrder): Generator<Block> {
  for (let turn = 0; turn < order.count; turn++) {
    const start = order.start(turn);
    const end = start + order.length(turn);
    const inside: Copy[] = [];
    for (let i = firstEndingBehind(copies, start); i < copies.length && copies[i]!.newStart < end; i++) {
      inside.push(cut(copies[i]!, start, end));
    }
    yield { turn, start, end, copies: inside };
  }
}

function cut({ newStart, oldStart, length }: Copy, start: number, end: number): Copy {
  const from = Math.max(newStart, start);
  const to = Math.min(newStart + length, end);
  return { newStart: from, oldStart: oldStart + from - newStart, length: to - from };
}

/** Halving. */
export function firstEndingBehind(copies: readonly Copy[], position: number): number {
  let low = 0;
  let high = copies.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { newStart, length } = copies[middle]!;
    if (newStart + length <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
