/** Where a ledger keeps what it has: on disk in earnest, in memory for a world that ends with its process. */
import type { ChainPoint } from '../execution.ts';
import type { KeyValues } from '../key-values.ts';
import type { TileStore } from '../log/tiles.ts';
import type { StoredHead } from './head-file.ts';
import type { LeafRecord } from './leaf-record.ts';
import type { Place } from './segments.ts';

/** The block up to which the index has come. */
export interface IndexedTo {
  number: number;
  hash: string;
  size: number;
  time: number;
  place: Place;
}

/** The blocks themselves, the only truth. */
export interface BlockStore {
  append(number: number, bytes: Uint8Array): Promise<Place>;
  read(place: Place): Promise<Uint8Array>;
}

/** A chain of blocks and the head that stands behind it, of one and the same moment. */
export interface Standing {
  readonly head: StoredHead;
  readonly point: ChainPoint;
}

export interface HeadStore {
  store(next: StoredHead): Promise<void>;
}

/** State, histories, leaves and tiles, as the blocks have made them. What is put is seen from `finishBlock` on. */
export interface LedgerIndex extends KeyValues, TileStore {
  leaf(index: number): LeafRecord | undefined;
  leafIndex(leafHash: string): number | undefined;
  putState(key: string, value: Uint8Array | null): void;
  putHistory(key: string, leafIndex: number, value: Uint8Array | null): void;
  putLeaf(index: number, leaf: LeafRecord): void;
  /** Where a block stands, for those who copy the ledger block by block. */
  block(number: number): Place | undefined;
  putBlock(number: number, place: Place): void;
  finishBlock(to: IndexedTo): void;
  /** Waits until everything given is kept. */
  settled(): Promise<void>;
}
