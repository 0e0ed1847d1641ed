/** Where tiles and bundles of entries lie under a log's address (c2sp.org/tlog-tiles). */
import { TILE_WIDTH } from '../log/tiles.ts';

/** A tree of 2^53 leaves has seven levels. */
const LEVEL_MAX = 63;

export interface TilePlace {
  /** Number of the tile within its level. */
  n: number;
  /** Hashes or entries in it: 256 where it is full. */
  width: number;
}

export interface HashTilePlace extends TilePlace {
  level: number;
}

/** `tile/<level>/<n>[.p/<width>]`, behind the prefix and a slash. */
export function hashTilePath({ level, ...place }: HashTilePlace): string {
  return `tile/${level}/${placePath(place)}`;
}

/** `tile/entries/<n>[.p/<width>]` */
export function entriesPath(place: TilePlace): string {
  return `tile/entries/${placePath(place)}`;
}

/** What stands behind `tile/`; undefined for anything but the one way to write it. */
export function readHashTilePath(path: string): HashTilePlace | undefined {
  const [, level = '', rest = ''] = /^(0|[1-9][0-9]?)\/(.*)$/.exec(path) ?? [];
  const place = level === '' || Number(level) > LEVEL_MAX ? undefined : readPlace(rest);
  return place && { level: Number(level), ...place };
}

/** What stands behind `tile/entries/`. */
export function readEntriesPath(path: string): TilePlace | undefined {
  return readPlace(path);
}

function placePath({ n, width }: TilePlace): string {
  const digits = String(n);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g)!;
  const number = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return width === TILE_WIDTH ? number : `${number}.p/${width}`;
}

function readPlace(path: string): TilePlace | undefined {
  const [, number = '', width] = /^((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path) ?? [];
  const place = { n: Number(number.replace(/[x/]/g, '')), width: width === undefined ? TILE_WIDTH : Number(width) };
  // Written again and compared: leading groups of zeros, and a width of 256 or more, have another form.
  return number !== '' && Number.isSafeInteger(place.n) && placePath(place) === path ? place : undefined;
}

/** Hashes of a level in a tree of `size` leaves. */
export function levelWidth(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The tiles that hold hashes `from` to `to` of one level, as a tree of `size` leaves has them. */
export function* tilesBetween(from: number, to: number, levelHashes: number): Generator<TilePlace> {
  for (let n = Math.floor(from / TILE_WIDTH); n * TILE_WIDTH < to; n++) {
    yield { n, width: Math.min(TILE_WIDTH, levelHashes - n * TILE_WIDTH) };
  }
}
