/**
 * How far the outside engine has been read. Which entries are mirrored is said by our own blocks alone, written with
 * the entries; this file only saves reading everything again. Lost, torn or older than the blocks, it costs time.
 */
import { readFile } from 'node:fs/promises';
import { writeDurable } from '../../store/durable.ts';
import { fromHex, toHex } from '../contract/state.ts';
import type { Position } from './order.ts';

export interface Mark extends Position {
  /** Leaves of our own tree when the block had been read. */
  size: number;
  /** Hash of the last of them, so that a mark of another ledger is found out. */
  leaf: Uint8Array;
}

/** @returns undefined where there is none that could be used */
export async function readMark(path: string): Promise<Mark | undefined> {
  try {
    const { block, hash, size, leaf } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    const whole = [block, size].every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
    if (!whole || typeof hash !== 'string' || typeof leaf !== 'string') return undefined;
    return { block: block as number, hash, size: size as number, leaf: fromHex(leaf) };
  } catch {
    return undefined;
  }
}

export async function writeMark(path: string, mark: Mark): Promise<void> {
  await writeDurable(path, Buffer.from(`${JSON.stringify({ ...mark, leaf: toHex(mark.leaf) })}\n`));
}
