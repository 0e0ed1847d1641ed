/** Tells where in a file a damaged block is damaged, as near as signatures allow. */
import { codeOf, type Verifier } from '@countersign/device-sdk';
import type { Problem } from './audit-result.ts';
import { type Place, segmentName } from './embedded/segments.ts';
import { transactionOffsets } from './embedded/transaction-offsets.ts';
import { type ChainPoint, Execution } from './execution.ts';
import type { KeyValues } from './key-values.ts';
import type { Block } from './log/block.ts';
import { EntryRefusal } from './replay.ts';

export function whereOf({ segment, offset, length }: Place, block: number): string {
  return `${segmentName(segment)}, bytes ${offset} to ${offset + length - 1}, block ${block}`;
}

/** The problem of a block that replay refused. */
export async function blockProblem(
  error: unknown,
  point: ChainPoint,
  values: KeyValues,
  block: Block,
  place: Place,
  verifier: Verifier,
): Promise<Problem> {
  const refused = error instanceof EntryRefusal ? error : await firstRefused(point, values, block, verifier);
  const text = (error as Error).message;
  if (!refused) return { code: codeOf(error), where: whereOf(place, point.number), text };
  const i = refused.transaction;
  const offset = place.offset + transactionOffsets(block.header, block.transactions)[i]!;
  const entry = { segment: place.segment, offset, length: block.transactions[i]!.length };
  const where = `${whereOf(entry, point.number)}, transaction ${i}`;
  return { code: codeOf(error), where, text: refused === error ? text : `${text}; ${refused.message}` };
}

/** A changed transaction is noticed by the block's data hash first; its own signature tells which one it is. */
async function firstRefused(point: ChainPoint, values: KeyValues, block: Block, verifier: Verifier) {
  const execution = new Execution(point, values, verifier, block.header.time);
  for (const [i, bytes] of block.transactions.entries()) {
    try {
      await execution.add(bytes);
    } catch (error) {
      return new EntryRefusal(point.number, i, error);
    }
  }
  return undefined;
}
