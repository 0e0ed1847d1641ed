/**
 * A trustless gateway of our own blobs: `GET /ipfs/{cid}?format=raw|car`. Source: IPFS Trustless Gateway specification.
 * Non-recursive: what is not in this store is 404. Only blocks and CARs, which the asker can check; no pages.
 */
import { demand } from '@countersign/device-sdk';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type CID, type GetBlock, readCid } from '../../store/blocks.ts';
import { carOf } from '../../store/car.ts';
import * as say from './openapi/content-operations.ts';
import { PROBLEM_TYPE, problem } from './refusals.ts';

const FORMATS = { raw: 'application/vnd.ipld.raw', car: 'application/vnd.ipld.car' } as const;
type Format = keyof typeof FORMATS;

/** A CID names one content for ever. */
const FOR_EVER = 'max-age=31536000, immutable';

type Request = FastifyRequest<{ Params: { cid: string }; Querystring: Record<string, string | undefined> }>;

interface Ask {
  cid: CID;
  format: Format;
  scope: 'all' | 'block';
}

/**
 * @param open whoever comes may ask; otherwise the token is needed, and shared caches keep nothing
 * @example
 * app.register(ipfsRoutes(storedBlocks(blobs), false));
 */
export function ipfsRoutes(get: GetBlock, open: boolean): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get('/ipfs/:cid', { config: { public: open }, schema: say.IPFS }, async (request, reply) => {
      const ask = readAsk(request as Request);
      // Section "Accept": this gateway gives nothing that could not be checked.
      if (ask === undefined) {
        const refused = problem('UNSUPPORTED', 406, 'ask for format=raw or car');
        return reply.code(refused.status).type(PROBLEM_TYPE).send(JSON.stringify(refused));
      }
      const { cid, format, scope } = ask;
      const root = await get(cid); // 404 before anything is sent
      const headers = headersOf(ask, open);
      reply.headers(headers);
      if (isKnown(request as Request, headers.etag!)) return reply.code(304).send();
      return reply.send(format === 'raw' ? Buffer.from(root) : carOf(cid, get, scope));
    });
    // Section "Dedicated Probe Paths": the empty content, inside its own name, tells that a gateway is here.
    app.get('/ipfs/bafkqaaa', { config: { public: open }, schema: say.PROBE }, async (_, reply) =>
      reply.type(FORMATS.raw).header('etag', '"bafkqaaa.raw"').send(Buffer.alloc(0)),
    );
  };
}

/** @returns undefined for a form that is not given here. @throws Refusal BAD_REQUEST, UNSUPPORTED */
function readAsk(request: Request): Ask | undefined {
  const { query } = request;
  const cid = readCid(request.params.cid);
  const format = formatOf(request);
  const scope = query['dag-scope'] ?? 'all';
  // All files are whole entities here, so `entity` is `all`; parts of one are the frames' business.
  const known = ['all', 'entity', 'block'].includes(scope) && query['entity-bytes'] === undefined;
  demand(known, 'BAD_REQUEST', 'dag-scope is all, entity or block, and entity-bytes is not given here');
  return format && { cid, format, scope: scope === 'block' ? 'block' : 'all' };
}

/** The word in the address counts before the header: an address has one answer in every cache. */
function formatOf({ query, headers }: Request): Format | undefined {
  if (query.format !== undefined) return query.format === 'raw' || query.format === 'car' ? query.format : undefined;
  const accept = headers.accept ?? '';
  if (accept.includes(FORMATS.raw)) return 'raw';
  // Our CARs are version 1, depth first, without duplicates: whoever insists on others gets none.
  return accept.includes(FORMATS.car) && !/version=2|order=(?!dfs|unk)|dups=y/.test(accept) ? 'car' : undefined;
}

function headersOf({ cid, format, scope }: Ask, open: boolean): Record<string, string> {
  const etag = `"${cid}.${format}${scope === 'block' ? '.block' : ''}"`;
  return {
    'content-type': format === 'car' ? `${FORMATS.car}; version=1; order=dfs; dups=n` : FORMATS.raw,
    'content-disposition': `attachment; filename="${cid}.${format === 'car' ? 'car' : 'bin'}"`,
    'cache-control': `${open ? 'public' : 'private'}, ${FOR_EVER}`,
    etag,
    'x-ipfs-path': `/ipfs/${cid}`,
    vary: 'accept',
  };
}

function isKnown({ headers }: Request, etag: string): boolean {
  return headers['if-none-match']?.split(',').some((tag) => tag.trim() === etag) ?? false;
}
