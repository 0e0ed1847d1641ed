/**
 * The log as auditors read it: checkpoint, tiles, bundles of entries and proofs under one address, as files that any
 * cache may keep (c2sp.org/tlog-tiles). Hashes are for everybody and prove themselves; entries are for who may read
 * the ledger.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Refusal } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditedLog } from '../../ledger/c2sp/audited-log.ts';
import { encodeBundle } from '../../ledger/c2sp/bundle.ts';
import { readCheckpoint } from '../../ledger/c2sp/checkpoint.ts';
import { encodeProof } from '../../ledger/c2sp/proof.ts';
import { readEntriesPath, readHashTilePath, type TilePlace } from '../../ledger/c2sp/tile-path.ts';
import { TILE_WIDTH } from '../../ledger/log/tiles.ts';
import * as say from './openapi/log-operations.ts';

/** Where the log lies on a server of ours; its address for auditors is the server's with this behind it. */
export const LOG_PREFIX = '/log';
/** Revalidated each time: a checkpoint out of a cache is a stale one. */
const ASK_AGAIN = 'no-cache';
const FULL = 'max-age=31536000, immutable';
/** Never wrong, but of no use once the tile has grown: caches should let go of it. */
const PARTIAL = 'max-age=3600';

/**
 * @example
 * app.register(auditorRoutes(ledger));
 */
export function auditorRoutes(log: AuditedLog, prefix = LOG_PREFIX): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    const config = { public: true };
    app.get(`${prefix}/checkpoint`, { config, schema: say.CHECKPOINT }, async (request, reply) =>
      sendFile(request, reply, await log.checkpoint(), TEXT, ASK_AGAIN),
    );
    app.get<Rest>(`${prefix}/tile/*`, { config, schema: say.HASHES }, async (request, reply) => {
      // This route gives hashes alone, however the word `entries` is written in its path.
      const place = found(readHashTilePath(request.params['*']));
      const hashes = log.hashes(place.level, place.n, place.width);
      return sendFile(request, reply, hashes, BYTES, `public, ${ageOf(place)}`);
    });
    app.get<Rest>(`${prefix}/tile/entries/*`, { schema: say.BUNDLE }, async (request, reply) => {
      const place = found(readEntriesPath(request.params['*']));
      const bundle = encodeBundle(await log.entryBytes(place.n * TILE_WIDTH, place.width));
      reply.header('vary', 'accept-encoding');
      const cache = `private, ${ageOf(place)}`;
      if (!takesGzip(request)) return sendFile(request, reply, bundle, BYTES, cache);
      reply.header('content-encoding', 'gzip');
      return sendFile(request, reply, await zipped(bundle), BYTES, cache);
    });
    app.get<{ Params: { file: string } }>(
      `${prefix}/:file`,
      { config, schema: say.PROOF_FILE },
      async (request, reply) => {
        const proof = await proofOf(log, request.params.file);
        return sendFile(request, reply, proof, TEXT, ASK_AGAIN);
      },
    );
  };
}

interface Rest {
  Params: { '*': string };
}

const TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';

/** On the thread pool: 256 entries of 60,000 bytes would hold everybody else up. The page asks for compressed bundles. */
const zipped = promisify(gzip) as (bytes: Uint8Array) => Promise<Buffer>;

function takesGzip(request: FastifyRequest): boolean {
  const accepted = String(request.headers['accept-encoding'] ?? '').split(',');
  return accepted.some((item) => /^\s*gzip\s*(;\s*q=(1|0\.[0-9]*[1-9]).*)?$/.test(item));
}

function ageOf({ width }: TilePlace): string {
  return width === TILE_WIDTH ? FULL : PARTIAL;
}

/** Whatever is no file here, is not here. @throws Refusal NOT_FOUND */
function found<T>(place: T | undefined): T {
  if (place === undefined) throw new Refusal('NOT_FOUND', 'the log has no such file');
  return place;
}

/** `<leaf hash in hex>.tlog-proof`. @throws Refusal NOT_FOUND */
async function proofOf(log: AuditedLog, file: string): Promise<Uint8Array> {
  const [, name] = /^([0-9a-f]{64})\.tlog-proof$/.exec(file) ?? [];
  const leafHash = found(name === undefined ? undefined : unhex(name));
  const checkpoint = await log.checkpoint();
  const { index, path } = log.inclusion(leafHash, readCheckpoint(checkpoint).size);
  return encodeProof({ index, path, checkpoint });
}

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: Uint8Array,
  type: string,
  cache: string,
): FastifyReply {
  const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
  reply.headers({ 'cache-control': cache, etag });
  const seen = request.headers['if-none-match']?.split(/\s*,\s*/) ?? [];
  if (seen.includes(etag) || seen.includes('*')) return reply.code(304).send();
  return reply.type(type).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
