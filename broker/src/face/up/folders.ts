/** Where everything lies below the one folder of `up`. */
import { join } from 'node:path';

export const SERVERS = ['ledger', 'collection', 'distribution'] as const;
export type ServerName = (typeof SERVERS)[number];

/** Who has keys in the trust root: the servers, whoever cosigns their heads, and whoever signs the next root. */
export const KEY_HOLDERS = [...SERVERS, 'peer', 'root'] as const;
export type KeyHolder = (typeof KEY_HOLDERS)[number];

/** What belongs to one server and to no other. `ledger` holds blocks and nothing secret: auditors may have a copy. */
export function serverFolder(data: string, server: KeyHolder): string {
  return join(data, server);
}

/** Keys of one server; those of the ledger lie beside its blocks, not among them. */
export function keysFolder(data: string, server: KeyHolder): string {
  return join(data, server === 'ledger' ? 'ledger-server' : server, 'keys');
}

/** Keys of people who work at this machine. */
export function peopleFolder(data: string): string {
  return join(data, 'people');
}

/** The hash of the API's token. */
export function tokenHashPath(data: string): string {
  return join(data, 'api', 'token.json');
}

/** Tokens of people and machines, hashed, one file each. */
export function tokensFolder(data: string): string {
  return join(data, 'api', 'tokens');
}

/** Second factors of people, sealed, one file each. */
export function factorsFolder(data: string): string {
  return join(data, 'api', 'totp');
}

/** The token itself, for commands of the same user. The server never reads it. */
export function clientTokenPath(data: string): string {
  return join(data, 'client-token');
}

export function endpointPath(data: string): string {
  return join(data, 'endpoint.json');
}

/** Trust root 1, as devices and other servers are given it. */
export function trustRootPath(data: string): string {
  return join(data, 'trust-root.cbor');
}
