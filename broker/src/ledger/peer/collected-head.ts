/** One head and the cosignatures that were collected for it. */
import { type Cosignature, encode, equal, type Head, type SignedHead } from '@countersign/device-sdk/format';
import type { Snapshot } from '../embedded/reader.ts';
import type { CosignedHead } from './messages.ts';

/** A head as it was signed; with index where this process saw the block behind it. */
export type Kept = Pick<Snapshot, 'head' | 'signed'> & Partial<Pick<Snapshot, 'index' | 'statements'>>;

/** A published head and the signatures over it. */
export interface Published extends Kept {
  cosignatures: Cosignature[];
}

export interface CollectedHead {
  kept: Kept;
  by: Map<string, Cosignature>;
  /** Since when a quorum is waited for, and since when for this head; milliseconds of the clock that only passes. */
  since: number;
  chosen: number;
}

export function messageOf({ kept, by }: CollectedHead): CosignedHead {
  return { signed: kept.signed, root: kept.head.root, cosignatures: [...by.values()] };
}

/** All that a head's signature covers. */
export function sameHead(a: Head, b: Head): boolean {
  return equal(a.root, b.root) && sameTuple(a, b);
}

/** A cosignature carries the root detached: the signature itself tells whether it is over the same one. */
export function sameFields(head: Head, { fields }: SignedHead): boolean {
  return sameTuple(head, fields);
}

function sameTuple(a: Omit<Head, 'root'>, b: Omit<Head, 'root'>): boolean {
  const tuple = (h: Omit<Head, 'root'>) => encode([h.origin, h.size, h.indexRoot, h.time, h.rootVersion]);
  return equal(tuple(a), tuple(b));
}
