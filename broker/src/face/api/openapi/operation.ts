/**
 * What a route says of itself: one description, from which come the document at `/openapi.json`, the page at `/docs`,
 * and the check of what is asked. Answers are described and never filtered by it.
 */
import type { FastifySchema } from 'fastify';
import { BYTES, type Schema, strictly } from './schema.ts';

declare module 'fastify' {
  interface FastifySchema {
    summary?: string;
    description?: string;
    tags?: readonly string[];
  }
}

/** Bytes as they are, with what they are in a sentence. */
export interface Bytes {
  bytes: string;
  types: readonly string[];
}

export interface Operation {
  /** The part of the API that it belongs to. */
  tag: string;
  /** One line. */
  summary: string;
  description?: string;
  /** Of names in the path. */
  params?: Record<string, Schema>;
  /** Of the query; those not in `needed` may be absent. */
  query?: Record<string, Schema>;
  needed?: readonly string[];
  /** JSON by its schema, or bytes. */
  body?: Schema | Bytes;
  /** The answer, by its schema, or bytes. */
  answer: Schema | Bytes;
  /** 200 where not given. */
  status?: number;
}

/** One that takes and gives statements of bytes. */
export const STATEMENT_TYPES = ['application/octet-stream', 'application/cbor', 'application/cose'] as const;

/**
 * @example
 * app.get('/api/v1/head', { schema: operation({ tag: 'Ledger', summary: 'The newest head', answer: ref('Head') }) }, …);
 */
export function operation(o: Operation): FastifySchema {
  const query = o.query && { querystring: strictly(o.query, optionalOf(o.query, o.needed ?? [])) };
  const params = o.params && { params: strictly(o.params) };
  return {
    tags: [o.tag],
    summary: o.summary,
    ...(o.description !== undefined && { description: o.description }),
    ...params,
    ...query,
    ...(o.body && { body: inContent(o.body) }),
    response: {
      [o.status ?? 200]: { description: isBytes(o.answer) ? o.answer.bytes : o.summary, ...inContent(o.answer) },
    },
  };
}

function inContent(what: Schema | Bytes): { content: Record<string, { schema: Schema }> } {
  if (!isBytes(what)) return { content: { 'application/json': { schema: what } } };
  return { content: Object.fromEntries(what.types.map((type) => [type, { schema: BYTES }])) };
}

function isBytes(what: Schema | Bytes): what is Bytes {
  return 'bytes' in what && 'types' in what;
}

function optionalOf(all: Record<string, Schema>, needed: readonly string[]): string[] {
  return Object.keys(all).filter((name) => !needed.includes(name));
}
