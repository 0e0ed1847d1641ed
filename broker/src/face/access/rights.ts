/**
 * What a token may be for, who may have it, and which route and which action is of which scope. A route without a row
 * is for the folder's own token alone; a test finds it.
 */
import type { PersonRole } from '../../ledger/contract/args.ts';

/**
 * `read`: everything that is asked. `publish`: products and uploads. `approve`: approvals, rejections. `rollout`,
 * `devices`, `people` (and keys). `record`: trials, downloads, passports. `relay`: what one server asks of another.
 */
export const SCOPES = ['read', 'publish', 'approve', 'rollout', 'devices', 'people', 'record', 'relay'] as const;
export type Scope = (typeof SCOPES)[number];

/** Which roles, of the person on the record, make use of a scope; a token cannot give what the record does not. */
export const ROLES_OF: Readonly<Record<Exclude<Scope, 'relay'>, readonly PersonRole[]>> = {
  read: ['engineer', 'approver', 'operator', 'auditor', 'tester'],
  publish: ['engineer', 'operator'],
  approve: ['approver'],
  rollout: ['operator'],
  devices: ['operator'],
  people: ['operator', 'approver'],
  record: ['engineer', 'approver', 'operator', 'auditor', 'tester'],
};

/** `statement`: the scope is that of the action inside. `owner`: the folder's own token alone. */
export type Right = Scope | 'statement' | 'owner';

/** Routes that change something, and those that one server asks of another. Everything else that is asked is `read`. */
export const ROUTES: Readonly<Record<string, Right>> = {
  'POST /api/v1/transactions': 'statement',
  'POST /api/v1/ledger/transactions': 'statement',
  'POST /api/v1/releases': 'statement',
  'POST /api/v1/releases/prepare': 'publish',
  'POST /api/v1/rollouts/plan': 'rollout',
  'POST /api/v1/devices/labels': 'devices',
  'POST /api/v1/devices/:name/commands': 'devices',
  'POST /api/v1/grants/:id/list': 'devices',
  'POST /api/v1/passports': 'record',
  'POST /api/v1/ledger/cosignatures': 'relay',
  'GET /api/v1/ledger/blocks': 'relay',
  'GET /api/v1/tokens': 'owner',
  'POST /api/v1/tokens': 'owner',
  'POST /api/v1/tokens/:id/revoke': 'owner',
  'POST /api/v1/people/:name/totp': 'owner',
};

/** @returns undefined for a route that nobody thought of: then the folder's own token alone opens it */
export function rightOf(method: string, route: string | undefined): Right | undefined {
  if (route === undefined) return 'read'; // no such route: who may read is told so
  if (method === 'GET' || method === 'HEAD') return ROUTES[`GET ${route}`] ?? 'read';
  return ROUTES[`${method} ${route}`];
}

/** Actions of transactions. Whatever is not named here is about people and keys. */
const ACTIONS: Partial<Record<string, Scope>> = {
  product: 'publish',
  upload: 'publish',
  approve: 'approve',
  reject: 'approve',
  rollout: 'rollout',
  download: 'record',
  trial: 'record',
  passport: 'record',
  confirm: 'relay',
};

/** @param about whom or what an `enrol`, `revoke`, `approve` or `reject` is about */
export function scopeOf(action: string, about: 'person' | 'other'): Scope {
  if (action === 'enrol' || action === 'revoke') return about === 'person' ? 'people' : 'devices';
  if ((action === 'approve' || action === 'reject') && about === 'person') return 'people';
  return (Object.hasOwn(ACTIONS, action) && ACTIONS[action]) || 'people';
}

/** What a stolen token and a stolen key together must not do: approvals, rollouts, and whatever is about people and keys. */
export function needsFactor(action: string, scope: Scope): boolean {
  return (
    (scope === 'approve' && action !== 'reject') || scope === 'rollout' || scope === 'people' || action === 'revoke'
  );
}
