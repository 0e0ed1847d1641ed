/**
 * The tree as tiles of 256 hashes (the layout of C2SP tlog-tiles): tile (level, n) holds the roots of 256 neighbouring
 * perfect subtrees of 256^level leaves. Full tiles never change and go to a store; only the last, partial tile of each
 * level is in memory. Any proof reads a few tiles.
 */
import { HASH_BYTES, nodeHash, type Sha256 } from '@countersign/device-sdk/format';
import { Frontier } from './frontier.ts';

export const TILE_WIDTH = 256;
const TILE_LEVELS = 8;
/** Whole tiles with their inner hashes that are kept for proofs: 1 MB. */
const TILES_KEPT = 64;

export interface TileStore {
  /** A full tile: 256 hashes, 8,192 bytes. */
  tile(level: number, n: number): Uint8Array | undefined;
  putTile(level: number, n: number, hashes: Uint8Array): void;
}

export class Tiles {
  readonly #sha256: Sha256;
  readonly #store: TileStore;
  /** The partial tile of each level. */
  readonly #edges: Uint8Array[][];
  readonly #kept = new Map<string, Uint8Array[][]>();
  /** Inner hashes of the partial tiles, until the next append. */
  #edgeRows: (Uint8Array[][] | undefined)[] = [];
  #size: number;

  private constructor(sha256: Sha256, store: TileStore, size: number, edges: Uint8Array[][]) {
    this.#sha256 = sha256;
    this.#store = store;
    this.#size = size;
    this.#edges = edges;
  }

  static empty(sha256: Sha256, store: TileStore): Tiles {
    return new Tiles(sha256, store, 0, []);
  }

  /**
   * Opens a tree whose full tiles are stored.
   * @param leaf the hash of leaf i, for the last, partial tile of level 0
   */
  static open(sha256: Sha256, store: TileStore, size: number, leaf: (index: number) => Uint8Array): Tiles {
    const tiles = new Tiles(sha256, store, size, []);
    let below = size;
    for (let level = 0; below > 0; level++) {
      const first = below - (below % TILE_WIDTH);
      const edge: Uint8Array[] = [];
      for (let i = first; i < below; i++) edge.push(level === 0 ? leaf(i) : tiles.#rootOfTile(level - 1, i));
      tiles.#edges[level] = edge;
      below = first / TILE_WIDTH;
    }
    return tiles;
  }

  get size(): number {
    return this.#size;
  }

  append(leafHash: Uint8Array): void {
    this.#size++;
    this.#edgeRows = [];
    let hash = leafHash;
    for (let level = 0; ; level++) {
      const edge = (this.#edges[level] ??= []);
      edge.push(hash);
      if (edge.length < TILE_WIDTH) return;
      const n = Math.floor((this.#size - 1) / TILE_WIDTH ** (level + 1));
      this.#store.putTile(level, n, join(edge));
      hash = foldAll(this.#sha256, edge).at(-1)![0]!;
      this.#edges[level] = [];
    }
  }

  /** Root of the first `size` leaves. @throws RangeError beyond the tree */
  root(size = this.#size): Uint8Array {
    this.#check(size);
    return size === 0 ? this.#sha256(new Uint8Array()) : this.#range(0, size);
  }

  /** The perfect subtrees that make up the tree, largest first. */
  frontier(): Frontier {
    const edge: Uint8Array[] = [];
    let first = 0;
    for (let rest = this.#size; rest > 0; rest = this.#size - first) {
      const count = 2 ** Math.floor(Math.log2(rest));
      edge.push(this.#perfect(first, count));
      first += count;
    }
    return new Frontier(this.#sha256, edge, this.#size);
  }

  /**
   * The first `width` hashes of a tile, one behind another, as auditors fetch them.
   * @returns undefined where the tree has no such tile, or fewer hashes in it
   */
  hashes(level: number, n: number, width: number): Uint8Array | undefined {
    const inLevel = Math.floor(this.#size / TILE_WIDTH ** level);
    if (width < 1 || width > TILE_WIDTH || n * TILE_WIDTH + width > inLevel) return undefined;
    const full = n < Math.floor(inLevel / TILE_WIDTH);
    return join((full ? this.#fullTile(level, n) : this.#edges[level]!).slice(0, width));
  }

  /** RFC 9162 section 2.1.3.1: the path of leaf `index` in the tree of the first `size` leaves. */
  inclusion(index: number, size = this.#size): Uint8Array[] {
    this.#check(size);
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw new RangeError(`no leaf ${index} of ${size}`);
    const path: Uint8Array[] = [];
    let [first, end] = [0, size];
    while (end - first > 1) {
      const middle = first + split(end - first);
      if (index < middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(first, middle));
        first = middle;
      }
    }
    return path.reverse();
  }

  /** RFC 9162 section 2.1.4.1: proves that the tree of `from` leaves begins the tree of `to`. */
  consistency(from: number, to = this.#size): Uint8Array[] {
    this.#check(to);
    if (!Number.isSafeInteger(from) || from < 1 || from > to) throw new RangeError(`no proof from ${from} to ${to}`);
    const path: Uint8Array[] = [];
    let [first, end, whole] = [0, to, true];
    while (from !== end) {
      const middle = first + split(end - first);
      if (from <= middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(first, middle));
        first = middle;
        whole = false;
      }
    }
    if (!whole) path.push(this.#range(first, end));
    return path.reverse();
  }

  /** Hash of leaves first to end. The halves of every range of a proof are perfect subtrees or end at the edge. */
  #range(first: number, end: number): Uint8Array {
    const count = end - first;
    if (isPowerOfTwo(count) && first % count === 0) return this.#perfect(first, count);
    const middle = first + split(count);
    return nodeHash(this.#sha256, this.#range(first, middle), this.#range(middle, end));
  }

  #perfect(first: number, count: number): Uint8Array {
    const height = Math.log2(count);
    const level = Math.floor(height / TILE_LEVELS);
    const inner = height % TILE_LEVELS;
    const index = first / TILE_WIDTH ** level;
    const rows = this.#rows(level, Math.floor(index / TILE_WIDTH));
    return rows[inner]![(index % TILE_WIDTH) / 2 ** inner]!;
  }

  /** All hashes inside a tile: row 0 is the tile itself, row 7 has two. The last tile of a level is not kept. */
  #rows(level: number, n: number): Uint8Array[][] {
    const name = `${level}/${n}`;
    const kept = this.#kept.get(name);
    if (kept) return kept;
    const last = Math.floor(this.#size / TILE_WIDTH ** (level + 1));
    if (n === last) return (this.#edgeRows[level] ??= foldAll(this.#sha256, this.#edges[level] ?? []));
    const rows = foldAll(this.#sha256, this.#fullTile(level, n));
    this.#kept.set(name, rows);
    if (this.#kept.size > TILES_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return rows;
  }

  #rootOfTile(level: number, n: number): Uint8Array {
    return foldAll(this.#sha256, this.#fullTile(level, n)).at(-1)![0]!;
  }

  #fullTile(level: number, n: number): Uint8Array[] {
    const bytes = this.#store.tile(level, n);
    if (bytes?.length !== TILE_WIDTH * HASH_BYTES) throw new Error(`tile ${level}/${n} is missing from the index`);
    return Array.from({ length: TILE_WIDTH }, (_, i) => bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  }

  #check(size: number): void {
    const known = Number.isSafeInteger(size) && size >= 0 && size <= this.#size;
    if (!known) throw new RangeError(`the tree has ${this.#size} leaves, not ${size}`);
  }
}

/** Rows of perfect pairs, from the hashes themselves up; an odd one at the end of a row has no parent here. */
function foldAll(sha256: Sha256, hashes: Uint8Array[]): Uint8Array[][] {
  const rows = [hashes];
  for (let row = hashes; row.length > 1; rows.push(row)) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < row.length; i += 2) next.push(nodeHash(sha256, row[i]!, row[i + 1]!));
    row = next;
  }
  return rows;
}

function join(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [i, hash] of hashes.entries()) bytes.set(hash, i * HASH_BYTES);
  return bytes;
}

/** The largest power of two below n, for n of 2 and more. */
function split(n: number): number {
  let half = 1;
  while (half * 2 < n) half *= 2;
  return half;
}

function isPowerOfTwo(n: number): boolean {
  return Number.isInteger(Math.log2(n));
}
