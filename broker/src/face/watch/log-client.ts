/** One server that shows the log: heads and hashes, which it shows to everybody, and entries for whoever has a token. */
import { demand, Refusal } from '@countersign/device-sdk';
import { HASH_BYTES } from '@countersign/device-sdk/format';
import { readBundle } from '../../ledger/c2sp/bundle.ts';
import { NOTE_BYTES_MAX } from '../../ledger/c2sp/note.ts';
import { entriesPath, hashTilePath, tilesBetween } from '../../ledger/c2sp/tile-path.ts';
import type { LedgerHead } from '../../ledger/client.ts';
import type { ProductView } from '../../ledger/contract/views.ts';
import { httpLedger } from '../../ledger/http-client.ts';
import { TILE_WIDTH } from '../../ledger/log/tiles.ts';
import { LOG_PREFIX } from '../api/auditor-routes.ts';

/** 256 entries of 60,000 bytes, each behind its length. */
const BUNDLE_BYTES_MAX = TILE_WIDTH * 60_002;
/** For one file. A server that is slower is as good as silent, and the watch says so by the age of its head. */
const FILE_MS_MAX = 30_000;

export interface LogClient {
  readonly url: string;
  /** Whether entries can be had. */
  readonly readsEntries: boolean;
  head(): Promise<LedgerHead>;
  /** The signed note. */
  checkpoint(): Promise<Uint8Array>;
  roots(from: number): Promise<Uint8Array[]>;
  consistency(from: number, to: number): Promise<Uint8Array[]>;
  /** Leaf hashes `from` to `to` of the tree of `size` leaves, in pieces of at most 256. */
  leafHashes(from: number, to: number, size: number): AsyncGenerator<Uint8Array[]>;
  /** The entries themselves. */
  entries(from: number, to: number, size: number): AsyncGenerator<Uint8Array[]>;
  /** Class ids, in hex, of the products on the record. */
  products(): Promise<string[]>;
  close(): Promise<void>;
}

/** @throws Refusal (in every call) UNREACHABLE, UNAUTHORIZED, NOT_FOUND, TOO_LARGE, MALFORMED */
export function logClient(url: string, token: string | undefined): LogClient {
  const ledger = httpLedger(url, token ?? '');

  async function* pieces(
    from: number,
    to: number,
    size: number,
    read: (n: number, width: number) => Promise<Uint8Array[]>,
  ) {
    for (const { n, width } of tilesBetween(from, to, size)) {
      const items = await read(n, width);
      const first = n * TILE_WIDTH;
      yield items.slice(Math.max(0, from - first), to - first);
    }
  }

  async function hashes(n: number, width: number): Promise<Uint8Array[]> {
    const bytes = await file(hashTilePath({ level: 0, n, width }), width * HASH_BYTES);
    demand(bytes.length === width * HASH_BYTES, 'MALFORMED', `${url} gives a tile of ${bytes.length} bytes`);
    return Array.from({ length: width }, (_, i) => bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  }

  async function file(path: string, bytesMax: number): Promise<Uint8Array> {
    const address = new URL(`${LOG_PREFIX}/${path}`, url);
    try {
      const response = await fetch(address, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(FILE_MS_MAX),
        redirect: 'error', // the token is for this server alone
      });
      const bytes = await bodyOf(response, bytesMax);
      if (response.status === 401) throw new Refusal('UNAUTHORIZED', `${url} gives entries to nobody without a token`);
      if (response.status !== 200) throw new Refusal('UNREACHABLE', `${url} answers ${response.status} for ${path}`);
      return bytes;
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `${url} does not answer for ${path}`, { cause });
    }
  }

  return {
    url,
    readsEntries: token !== undefined,
    head: () => ledger.head(),
    checkpoint: () => file('checkpoint', NOTE_BYTES_MAX),
    roots: (from) => ledger.roots(from),
    consistency: (from, to) => ledger.consistency(from, to),
    leafHashes: (from, to, size) => pieces(from, to, size, hashes),
    entries: (from, to, size) =>
      pieces(from, to, size, async (n, width) =>
        readBundle(await file(entriesPath({ n, width }), BUNDLE_BYTES_MAX), width),
      ),
    products: async () => {
      const all = (await ledger.evaluate('listProducts')) as ProductView[];
      return all.map(({ classId }) => classId);
    },
    close: () => ledger.close(),
  };
}

async function bodyOf(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    demand(length <= bytesMax, 'TOO_LARGE', `an answer of more than ${bytesMax} bytes`);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}
