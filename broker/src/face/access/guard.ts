/** The door of an API, in front of every route of it. */
import { demand, Refusal } from '@countersign/device-sdk';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type TokenGate, tokenIn } from '../api/token.ts';
import { CODE_HEADER } from './code-header.ts';
import { type Door, type Guest, OWNER } from './door.ts';
import { ROUTES } from './rights.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where everybody may. */
    guest: Guest | null;
  }
  interface FastifyInstance {
    /** Every route that was registered. */
    shownRoutes: ShownRoute[];
  }
}

export interface ShownRoute {
  method: string;
  /** As it was registered, with its parameters. */
  url: string;
  /** Anybody may ask. */
  open: boolean;
}

/**
 * @param gate knows the folder's own token @param door knows all others; without one there are none
 * @example
 * guard(app, tokenGate(token));
 */
export function guard(app: FastifyInstance, gate: Pick<TokenGate, 'accepts'>, door?: Door): void {
  showRoutesOf(app);
  app.decorateRequest('guest', null);
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.public) return;
    request.guest = gate.accepts(request.headers.authorization) ? OWNER : await stranger(request, reply, door);
  });
  app.addHook('preHandler', async ({ routeOptions, method, body, guest, headers, query, params }) => {
    const route = `${method} ${routeOptions.url}`;
    if (!door || !guest || method === 'GET' || method === 'HEAD') return;
    if (ROUTES[route] !== 'statement') await door.request(guest, route, { query, params, body });
    else if (body instanceof Uint8Array) await door.statement(guest, body, codeIn(headers));
  });
}

/** Keeps a list of what is registered from now on: the router's own word on which routes there are. */
export function showRoutesOf(app: FastifyInstance): void {
  const shownRoutes: ShownRoute[] = [];
  app.decorate('shownRoutes', shownRoutes);
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const one of [method].flat()) shownRoutes.push({ method: one, url, open: config?.public === true });
  });
}

async function stranger(request: FastifyRequest, reply: FastifyReply, door: Door | undefined): Promise<Guest> {
  const { method, routeOptions, headers } = request;
  try {
    demand(door, 'UNAUTHORIZED', 'this needs the token that the server showed at its first start');
    return await door.admit(tokenIn(headers.authorization), method, routeOptions.url);
  } catch (error) {
    const unknown = error instanceof Refusal && (error.code === 'UNAUTHORIZED' || error.code === 'EXPIRED');
    if (unknown) reply.header('www-authenticate', 'Bearer');
    throw error;
  }
}

/** @returns the one-time code of a request. @throws Refusal BAD_FACTOR for what can be none */
export function codeIn(headers: FastifyRequest['headers']): string | undefined {
  const code = headers[CODE_HEADER];
  if (code === undefined) return undefined;
  demand(typeof code === 'string' && /^\d{6}$/.test(code), 'BAD_FACTOR', 'a one-time code has six digits');
  return code;
}
