/** Trust roots at a server: read and proven one after another, and the next one submitted. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { equal, type SignedRoot, unhex } from '@countersign/device-sdk/format';
import { nextRoot, openRoot } from '@countersign/device-sdk/verify';
import type { CommittedView } from '../api/views.ts';
import type { ApiClient } from './api-client.ts';
import type { Session } from './session.ts';

/**
 * The root in force, after every one before it on the thresholds of both.
 * @param pinned root 1 from outside; without it the server's own word for root 1 is taken
 * @throws Refusal BAD_ROOT, UNREACHABLE
 */
export async function rootInForce({ api, verifier }: Session, pinned?: Uint8Array): Promise<SignedRoot> {
  const { roots } = (await api.get('/api/v1/trust-roots')) as { roots: string[] };
  const list = (Array.isArray(roots) ? roots : []).map((text) => unhex(String(text)));
  const [first, ...later] = list;
  demand(first && later.every((bytes) => bytes !== undefined), 'UNREACHABLE', `${api.url} shows no trust roots`);
  demand(!pinned || equal(first, pinned), 'BAD_ROOT', `${api.url} shows another trust root 1 than the pinned one`);
  let last = openRoot(verifier, first);
  for (const bytes of later) last = nextRoot(verifier, last.root, bytes!);
  return last;
}

/**
 * The root in force as a ledger or a peer shows it to everybody, without a token.
 * @param held a root of any version from outside; without it the server's own word for root 1 is taken
 * @throws Refusal BAD_ROOT where the server has another root of that version, or none that follows; UNREACHABLE;
 * NOT_FOUND for a server that keeps no ledger
 */
export async function rootFrom(api: ApiClient, verifier: Verifier, held?: Uint8Array): Promise<SignedRoot> {
  const version = held ? openRoot(verifier, held).root.version : 1;
  const { roots } = (await api.get('/api/v1/ledger/roots', { from: String(version) })) as { roots: unknown };
  const list = (Array.isArray(roots) ? roots : []).map((text) => unhex(String(text)));
  demand(
    list.every((bytes) => bytes !== undefined),
    'UNREACHABLE',
    `${api.url} shows no trust roots`,
  );
  const [first, ...later] = list as Uint8Array[];
  const known = first !== undefined && (!held || equal(first, held));
  demand(known, held ? 'BAD_ROOT' : 'UNREACHABLE', `${api.url} does not show trust root ${version} that you hold`);
  let last = openRoot(verifier, first);
  for (const bytes of later) last = nextRoot(verifier, last.root, bytes);
  return last;
}

/** Entries of the ledger now: from where on a key can be revoked. */
export async function ledgerSize({ api }: Session): Promise<number> {
  const { size } = (await api.get('/api/v1/head')) as { size?: unknown };
  demand(Number.isSafeInteger(size), 'UNREACHABLE', `${api.url} shows no head`);
  return size as number;
}

/** @throws Refusal BAD_ROOT, DUPLICATE, EXISTS; UNKNOWN_KEY where the ledger's server lacks the keys that it names */
export async function submitRoot({ api }: Session, signedRoot: Uint8Array): Promise<CommittedView> {
  return (await api.post('/api/v1/transactions', signedRoot)) as CommittedView;
}
