/** Tokens and second factors, for whoever has the folder's own token. */
import { demand } from '@countersign/device-sdk';
import type { FastifyInstance } from 'fastify';
import { findProduct } from '../../collection/product.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { PersonView } from '../../ledger/contract/views.ts';
import { type Fields, fieldsOf, flagOf, numberOf, textOf } from '../api/ask.ts';
import { NEW_FACTOR, NEW_TOKEN, REVOKE_TOKEN, TOKENS } from '../api/openapi/access-operations.ts';
import type { Factors } from './factors.ts';
import { SCOPES, type Scope } from './rights.ts';
import type { TokenGrant, Tokens } from './tokens.ts';
import { otpauthUri } from './totp.ts';

/** Where nobody says how long: a quarter of a year. */
export const DAYS = 90;
const PRODUCTS_MAX = 32;

export interface AccessParts {
  tokens: Tokens;
  ledger: LedgerClient;
  /** The ledger's origin, as authenticators show it. */
  origin: string;
  factors?: Factors | undefined;
}

/** `GET|POST /api/v1/tokens`, `POST /api/v1/tokens/:id/revoke`, `POST /api/v1/people/:name/totp`. */
export function accessRoutes(parts: AccessParts): (app: FastifyInstance) => Promise<void> {
  const { tokens, ledger, factors, origin } = parts;
  return async (app) => {
    app.get('/api/v1/tokens', { schema: TOKENS }, async () => tokens.list());
    app.post('/api/v1/tokens', { schema: NEW_TOKEN }, async ({ body }) => {
      const fields = fieldsOf(body, 'the token', ['kind', 'name', 'scopes', 'products', 'days']);
      const { token, view } = await tokens.issue(
        await grantOf(ledger, fields),
        numberOf(fields, 'days', 1, 366) ?? DAYS,
      );
      return { token, ...view };
    });
    app.post<{ Params: { id: string } }>('/api/v1/tokens/:id/revoke', { schema: REVOKE_TOKEN }, async ({ params }) =>
      tokens.revoke(params.id),
    );
    app.post<{ Params: { name: string } }>(
      '/api/v1/people/:name/totp',
      { schema: NEW_FACTOR },
      async ({ params, body }) => {
        demand(factors, 'UNSUPPORTED', 'second factors are kept by the server that holds the ledger: ask that one');
        const { name } = await activePerson(ledger, params.name);
        const renew = flagOf(fieldsOf(body ?? {}, 'the factor', ['renew']), 'renew', false);
        return { name, uri: otpauthUri(await factors.enrol(name, renew), name, origin) };
      },
    );
  };
}

async function grantOf(ledger: LedgerClient, fields: Fields): Promise<TokenGrant> {
  const kind = textOf(fields, 'kind');
  demand(kind === 'person' || kind === 'machine', 'BAD_REQUEST', 'a token is for a person or for a machine');
  const name = textOf(fields, 'name');
  demand(/^[a-z0-9][a-z0-9._-]{0,31}$/.test(name), 'BAD_REQUEST', 'a name is lower-case letters, digits, dot, dash, _');
  if (kind === 'person') await activePerson(ledger, name);
  const scopes = listOf(fields.scopes, 'scopes', SCOPES.length).map(scopeIn);
  demand(!(kind === 'person' && scopes.includes('relay')), 'BAD_REQUEST', 'relay is for servers, not for people');
  if (fields.products === undefined) return { kind, name, scopes };
  const names = listOf(fields.products, 'products', PRODUCTS_MAX);
  const products = await Promise.all(names.map(async (product) => (await findProduct(ledger, product)).classId));
  return { kind, name, scopes, products };
}

function scopeIn(text: string): Scope {
  const scope = SCOPES.find((known) => known === text);
  demand(scope, 'BAD_REQUEST', `a scope is one of ${SCOPES.join(', ')}`);
  return scope;
}

function listOf(value: unknown, what: string, most: number): string[] {
  const good = Array.isArray(value) && value.length >= 1 && value.length <= most;
  demand(
    good && value.every((item) => typeof item === 'string'),
    'BAD_REQUEST',
    `${what}: a list of 1 to ${most} texts`,
  );
  demand(new Set(value).size === value.length, 'BAD_REQUEST', `${what}: nothing stands twice`);
  return value;
}

async function activePerson(ledger: LedgerClient, name: string): Promise<PersonView> {
  const person = (await ledger.evaluate('getPerson', name)) as PersonView;
  demand(person.state === 'active', 'REVOKED', `${person.name} is ${person.state}`);
  return person;
}
