/**
 * Whatever is asked is held against its description before a route sees it. A validator is compiled when its route is
 * first asked: all of them at the start would cost every server a third of a second that most never need.
 */
import { createRequire } from 'node:module';
import { Refusal } from '@countersign/device-sdk';
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import type { FastifyInstance } from 'fastify';
import { BYTES, type Schema } from './schema.ts';

/** Of a refusal's sentence: paths come from the sender. */
const SENTENCE_CHARS_MAX = 200;

interface Asked {
  schema: Schema;
  httpPart?: string;
}

/** Gives an application these checks, and leaves answers as the routes made them. */
export function validateLazily(app: FastifyInstance): void {
  app.setValidatorCompiler<Schema>(({ schema, httpPart }) => checkOf({ schema, ...(httpPart && { httpPart }) }));
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
}

function checkOf({ schema, httpPart = 'body' }: Asked): (value: unknown) => { error: Error } | boolean {
  // Bytes are the route's own to read.
  if (schema === BYTES) return () => true;
  let validate: ValidateFunction | undefined;
  return (value) => {
    validate ??= compiler(httpPart).compile(schema);
    // Texts of a query become numbers here for the check alone: routes read what was sent.
    if (validate(httpPart === 'body' ? value : { ...Object(value) })) return true;
    return { error: new Refusal('BAD_REQUEST', sentenceOf(httpPart, validate.errors?.[0])) };
  };
}

const compilers = new Map<string, Ajv2020>();

/** One for bodies, which are taken at their word, and one for paths and queries, which are text. */
function compiler(httpPart: string): Ajv2020 {
  const kind = httpPart === 'body' ? 'body' : 'text';
  const known = compilers.get(kind);
  if (known) return known;
  const { Ajv2020: Compiler } = createRequire(import.meta.url)('ajv/dist/2020.js') as { Ajv2020: typeof Ajv2020 };
  // Formats are words of OpenAPI here; one error is enough, and keeps hostile input from growing a long list of them.
  const made = new Compiler({ strict: false, validateFormats: false, coerceTypes: kind === 'text' ? 'array' : false });
  compilers.set(kind, made);
  return made;
}

function sentenceOf(httpPart: string, error: ErrorObject | undefined): string {
  const { instancePath = '', message = 'is not as described', params } = error ?? {};
  const extra = (params as { additionalProperty?: string } | undefined)?.additionalProperty;
  const where = `${PARTS[httpPart] ?? 'the body'}${instancePath.replaceAll('/', '.')}`;
  const what = extra === undefined ? message : `${extra} is not known here`;
  return `${where}: ${what}`.slice(0, SENTENCE_CHARS_MAX).replace(/\p{Cc}/gu, ' ');
}

const PARTS: Record<string, string> = { querystring: 'the query', params: 'the path', body: 'the body' };
