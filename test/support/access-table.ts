/** Every route of every server, and who may ask it: what the routers themselves are compared with, in both directions. */
import type { ShownRoute } from '@countersign/broker/face/access/guard';
import { SCOPES, type Scope } from '@countersign/broker/face/access/rights';
import type { TokenView } from '@countersign/broker/face/access/tokens';
import type { Session } from '@countersign/broker/face/client/session';
import { PERSON_ROLES } from '@countersign/broker/ledger/contract/args';
import type { Code } from '@countersign/device-sdk';

const READERS = [...PERSON_ROLES, 'ci'];
const SIGNERS = [...PERSON_ROLES, 'ci', 'server'];

/** Who is let in: roles of people, a machine that publishes (`ci`) and another server (`server`). */
export const WHO = {
  read: READERS,
  statement: SIGNERS,
  publish: ['engineer', 'operator', 'ci'],
  rollout: ['operator'],
  devices: ['operator'],
  record: PERSON_ROLES,
  relay: ['server'],
  owner: [],
  /** Anybody, with any token or none. */
  all: [],
  /** Whoever has the token of an identity on the centre's list. */
  identity: [],
  /** A device with a session, for itself. */
  session: [],
  /** Devices that are not known yet: what they bring is signed, and no token counts. */
  signed: [],
} satisfies Record<string, readonly string[]>;
export type Who = keyof typeof WHO;

/** Ledger, collection and distribution server, peer, key generation centre, and the distribution server's address for devices. */
export type Server = 'L' | 'C' | 'D' | 'P' | 'K' | 'd';

export const ROWS: readonly [route: string, servers: string, who: Who][] = [
  ['GET /api/v1/blobs/:digest', 'CDP', 'read'],
  ['GET /api/v1/bundle', 'D', 'read'],
  ['GET /api/v1/centre', 'K', 'all'],
  ['GET /api/v1/devices', 'LCDP', 'read'],
  ['GET /api/v1/devices/:name', 'LCDP', 'read'],
  ['GET /api/v1/distribution', 'D', 'read'],
  ['GET /api/v1/endpoints', 'LCDP', 'read'],
  ['GET /api/v1/entries/:name', 'LCDP', 'read'],
  ['GET /api/v1/grants', 'LCDP', 'read'],
  ['GET /api/v1/head', 'LCDP', 'read'],
  ['GET /api/v1/history/:name', 'LCDP', 'read'],
  ['GET /api/v1/issued-keys', 'LCDP', 'read'],
  ['GET /api/v1/ledger/announcements/:classId', 'LP', 'read'],
  ['GET /api/v1/ledger/blocks', 'LP', 'relay'],
  ['GET /api/v1/ledger/consistency', 'LP', 'all'],
  ['GET /api/v1/ledger/entries', 'LP', 'read'],
  ['GET /api/v1/ledger/entries/:leaf', 'LP', 'read'],
  ['GET /api/v1/ledger/files', 'LP', 'read'],
  ['GET /api/v1/ledger/files/:name', 'LP', 'read'],
  ['GET /api/v1/ledger/follow', 'LP', 'read'],
  ['GET /api/v1/ledger/head', 'LP', 'all'],
  ['GET /api/v1/ledger/queries/:query', 'LP', 'read'],
  ['GET /api/v1/ledger/quorum', 'LP', 'read'],
  ['GET /api/v1/ledger/receipts/:leaf', 'LP', 'read'],
  ['GET /api/v1/ledger/roots', 'LP', 'all'],
  ['GET /api/v1/passports/device/:name', 'CD', 'read'],
  ['GET /api/v1/passports/product/:name', 'CD', 'read'],
  ['GET /api/v1/payloads/:head', 'CDP', 'read'],
  ['GET /api/v1/peer', 'P', 'read'],
  ['GET /api/v1/people', 'LCDP', 'read'],
  ['GET /api/v1/people/:name', 'LCDP', 'read'],
  ['GET /api/v1/previous/:name', 'LCDP', 'read'],
  ['GET /api/v1/products', 'LCDP', 'read'],
  ['GET /api/v1/products/:name', 'LCDP', 'read'],
  ['GET /api/v1/releases', 'LCDP', 'read'],
  ['GET /api/v1/releases/:name', 'LCDP', 'read'],
  ['GET /api/v1/releases/:name/applies', 'CD', 'read'],
  ['GET /api/v1/rollouts', 'LCDP', 'read'],
  ['GET /api/v1/rollouts/:name', 'LCDP', 'read'],
  ['GET /api/v1/rollouts/:name/progress', 'D', 'read'],
  ['GET /api/v1/tokens', 'LCDP', 'owner'],
  ['GET /api/v1/trials/:name', 'LCDP', 'read'],
  ['GET /api/v1/trust-roots', 'LCDP', 'read'],
  ['GET /docs', 'LCDPK', 'all'],
  ['GET /docs/refusals', 'LCDPK', 'all'],
  ['GET /events', 'LCDP', 'read'],
  ['GET /healthz', 'LCDPK', 'all'],
  ['GET /ipfs/:cid', 'CDP', 'read'],
  ['GET /ipfs/bafkqaaa', 'CDP', 'read'],
  ['GET /log/:file', 'LP', 'all'],
  ['GET /log/checkpoint', 'LP', 'all'],
  ['GET /log/tile/*', 'LP', 'all'],
  ['GET /log/tile/entries/*', 'LP', 'read'],
  ['GET /metrics', 'LCDP', 'read'],
  ['GET /openapi.json', 'LCDPK', 'all'],
  ['GET /ota/v1/d/:device/msg', 'd', 'session'],
  ['GET /ota/v1/d/:device/p/:head', 'd', 'session'],
  ['GET /proof/:leaf', 'LCDP', 'read'],
  ['GET /proof/:leaf/receipt', 'LCDP', 'read'],
  ['GET /provision/:product/:version', 'D', 'read'],
  ['GET /witness/:name/checkpoint', 'P', 'all'],
  ['POST /api/v1/devices/:name/commands', 'D', 'devices'],
  ['POST /api/v1/devices/labels', 'D', 'devices'],
  ['POST /api/v1/grants/:id/list', 'D', 'devices'],
  ['POST /api/v1/ledger/cosignatures', 'LP', 'relay'],
  ['POST /api/v1/ledger/transactions', 'LP', 'statement'],
  ['POST /api/v1/passports', 'CD', 'record'],
  ['POST /api/v1/people/:name/totp', 'LCDP', 'owner'],
  ['POST /api/v1/releases', 'C', 'statement'],
  ['POST /api/v1/releases/prepare', 'C', 'publish'],
  ['POST /api/v1/rollouts/plan', 'D', 'rollout'],
  ['POST /api/v1/shares', 'K', 'identity'],
  ['POST /api/v1/tokens', 'LCDP', 'owner'],
  ['POST /api/v1/tokens/:id/revoke', 'LCDP', 'owner'],
  ['POST /api/v1/transactions', 'LCDP', 'statement'],
  ['POST /ota/v1/authority', 'd', 'signed'],
  ['POST /ota/v1/claim', 'd', 'signed'],
  ['POST /ota/v1/d/:device/login', 'd', 'signed'],
  ['POST /ota/v1/d/:device/req', 'd', 'session'],
  ['POST /ota/v1/d/:device/status', 'd', 'session'],
  ['POST /ota/v1/listing', 'd', 'signed'],
  ['POST /witness/add-checkpoint', 'P', 'all'],
];

/** The rows of servers that run in one process. */
export function rowsOf(servers: string): [route: string, who: Who][] {
  const rows = ROWS.filter(([, at]) => [...servers].some((server) => at.includes(server)));
  return rows.map(([route, , who]) => [route, who]);
}

/** What a router says that it has, without the HEAD of every GET. */
export function namesOf(routes: readonly ShownRoute[]): string[] {
  return routes.flatMap(({ method, url }) => (method === 'HEAD' ? [] : [`${method} ${url}`])).sort();
}

/** What is said to be for everybody. */
export function openOf(routes: readonly ShownRoute[]): string[] {
  return namesOf(routes.filter(({ open }) => open));
}

/** A person may ask for every scope; what he gets is decided by his roles on the record. */
export const EVERYTHING = SCOPES.filter((scope) => scope !== 'relay');

export async function issueToken(
  { api }: Pick<Session, 'api'>,
  name: string,
  {
    scopes = EVERYTHING,
    kind = 'person',
    products,
    days,
  }: { scopes?: readonly Scope[]; kind?: 'person' | 'machine'; products?: string[]; days?: number } = {},
): Promise<{ token: string; id: string }> {
  return (await api.post('/api/v1/tokens', { kind, name, scopes, products, days })) as TokenView & { token: string };
}

/** One of each role, and of two machines. A server knows its own tokens and no other's. */
export async function tokensOfAll(session: Pick<Session, 'api'>): Promise<Record<string, string>> {
  const tokens: Record<string, string> = {};
  for (const name of PERSON_ROLES) tokens[name] = (await issueToken(session, name)).token;
  tokens.server = (await issueToken(session, 'server', { scopes: ['relay'], kind: 'machine' })).token;
  tokens.ci = (await issueToken(session, 'ci', { scopes: ['read', 'publish'], kind: 'machine' })).token;
  return tokens;
}

export interface Asked {
  /** In place of the route's parameters; others name nothing. */
  params?: Record<string, string>;
  body?: unknown;
}

/** With placeholders that name nothing. What is asked behind an open door is beside the point here. */
export async function askRoute(url: string, name: string, token: string | undefined, asked: Asked = {}) {
  const [method, route] = name.split(' ') as [string, string];
  const path = route.replace(/:(\w+)/g, (_, key) => asked.params?.[key] ?? 'a'.repeat(32)).replace('*', '0/000.p/1');
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(asked.body !== undefined && { 'content-type': 'application/json' }),
  };
  const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
  const answer = await fetch(new URL(path, url), { method, headers, ...(body !== undefined && { body }) });
  // A stream of events has no end: what a door says is all that is read.
  if (answer.ok) {
    await answer.body?.cancel();
    return { status: answer.status, code: undefined };
  }
  const { code } = (await answer.json().catch(() => ({}))) as { code?: Code };
  return { status: answer.status, code };
}
