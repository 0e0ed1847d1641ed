import type { BlockOrder } from '@countersign/device-sdk/delta';
import type { Copy } from './align.ts';
import { blocksOf } from './blocks.ts';

/**
 * The part of an alignment that can be used in place: each block of the image may only be made from what the blocks
 * before it have not been written over. What falls away has to be inserted.
 */
export function remainingCopies(copies: readonly Copy[], order: BlockOrder, oldBytes: number): Copy[] {
  const kept: Copy[] = [];
  for (const block of blocksOf(copies, order)) {
    const [from, to] = order.remaining(block.turn, oldBytes);
    const there = block.copies.flatMap((copy) => within(copy, from, to));
    if (order.backward) kept.unshift(...there);
    else kept.push(...there);
  }
  return kept;
}

function within({ newStart, oldStart, length }: Copy, from: number, to: number): Copy[] {
  const start = Math.max(oldStart, from);
  const end = Math.min(oldStart + length, to);
  return end > start ? [{ newStart: newStart + start - oldStart, oldStart: start, length: end - start }] : [];
}
