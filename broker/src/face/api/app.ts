/**
 * The frame of every API of ours: nobody passes without the token except to `/healthz`, every body has a limit, every
 * refusal is one shape. Routes are registered on it by the servers' own files.
 */
import { type Code, Refusal } from '@countersign/device-sdk';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import type { Log } from '../../distribution/ports.ts';
import type { Door } from '../access/door.ts';
import { guard } from '../access/guard.ts';
import { showRoutes } from './openapi/docs-routes.ts';
import { operation } from './openapi/operation.ts';
import { FLAG, object, text } from './openapi/schema.ts';
import { validateLazily } from './openapi/validate.ts';
import { PROBLEM_TYPE, problemOf } from './refusals.ts';
import type { TokenGate } from './token.ts';

/** JSON of a plan or of labels for 500 devices; statements have 60,000 bytes at most. Routes that take images say so. */
export const BODY_BYTES_MAX = 128 * 1024;
/** An image of 64 MB at 1 MB a second: whoever needs longer holds the connection for its own sake. */
export const REQUEST_MS_MAX = 90_000;
/** A request's first lines; longer waits would let a few hundred silent connections keep everybody else out. */
export const HEADERS_MS_MAX = 10_000;
/** People, scripts and two other servers; each connection costs some 20 KB. */
export const CONNECTIONS_MAX = 512;
/** After the last answer a connection is kept this long for the next request. */
const KEEP_ALIVE_MS = 5_000;
/** `product@version` and a label of 32 characters, percent-encoded. */
const PARAMETER_CHARS_MAX = 256;
/** What is still being answered when the server closes gets this long; the whole stop has five seconds. */
export const CLOSE_GRACE_MS = 1_500;

export interface ApiOptions {
  /** Shown by `/healthz`. */
  server: string;
  gate: Pick<TokenGate, 'accepts'>;
  /** Knows the tokens of people and machines; without it the gate's own token alone opens. */
  door?: Door | undefined;
  log: Log;
  /** Told of every refusal. */
  refused?: ((code: Code) => void) | undefined;
  tls?: { cert: string; key: string } | undefined;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Anybody may ask. */
    public?: boolean;
  }
}

export function createApi({ server, gate, door, log, refused, tls }: ApiOptions): FastifyInstance {
  const answer = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    refuse(error, request, reply, log, refused);
  const options: FastifyServerOptions = {
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: PARAMETER_CHARS_MAX },
    forceCloseConnections: 'idle',
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    frameworkErrors: (error, request, reply) => answer(error, request, reply as FastifyReply),
  };
  const app: FastifyInstance = Fastify((tls ? { ...options, https: tls } : options) as FastifyServerOptions);
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.headersTimeout = HEADERS_MS_MAX;
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser(BINARY, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (_request, reply) => {
    secure(reply);
  });
  guard(app, gate, door);
  app.setErrorHandler((error, request, reply) => answer(error as FastifyError, request, reply));
  app.setNotFoundHandler((request) => {
    throw new Refusal('NOT_FOUND', `the ${server} server has no ${request.method} ${pathOf(request)}`);
  });
  validateLazily(app);
  showRoutes(app, server);
  app.get('/healthz', { config: { public: true }, schema: HEALTH }, async () => ({ ok: true, server }));
  return app;
}

const HEALTH = operation({
  ...{ tag: 'Server', summary: 'Whether it answers' },
  answer: object({ ok: FLAG, server: text() }),
});

/** Statements and images travel as they are. */
const BINARY = ['application/octet-stream', 'application/cbor', 'application/cose'];

/** Stops listening, waits a moment for answers under way, then ends every connection. */
export async function closeApi(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

/** A JSON API of one user: nothing of it is to be cached, framed, guessed at or run. No other origin is allowed in. */
function secure(reply: FastifyReply): void {
  reply.headers({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
}

function refuse(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
  refused: ApiOptions['refused'],
): FastifyReply {
  const refusal = refusalFrom(error);
  const problem = problemOf(refusal);
  const { status, code } = problem;
  refused?.(code);
  if (status >= 500) log.error({ err: error, method: request.method, path: pathOf(request) }, code);
  return reply.code(status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** The framework's own complaints about a request, in our words. */
function refusalFrom(error: FastifyError): unknown {
  if (error instanceof Refusal || error.statusCode === undefined) return error;
  if (error.statusCode === 413)
    return new Refusal('TOO_LARGE', `the body is over ${BODY_BYTES_MAX} bytes, or the route's own limit`);
  if (error.statusCode >= 400 && error.statusCode < 500) return new Refusal('BAD_REQUEST', error.message);
  return error;
}

/** Without the query, which may hold what is nobody's business in a log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!.slice(0, 200);
}
