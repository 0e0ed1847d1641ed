/** What a watch stands on: the trust root that it was given, or took, and the history that leads to it. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, hex, leafHash, readSignedRoot } from '@countersign/device-sdk/format';
import { nextRoot, openRoot } from '@countersign/device-sdk/verify';
import { Frontier } from '../../ledger/log/frontier.ts';
import type { LogClient } from './log-client.ts';
import type { WatchState } from './state.ts';
import type { WatchOptions } from './types.ts';

/**
 * The first state of all. A later trust root than the first one is where the servers' own roots must lead to, each on the
 * thresholds of the one before; and it must be an entry of the tree, which is looked for as the leaves are read.
 * @throws Refusal BAD_ROOT where the servers have another root of that version; UNREACHABLE where none shows them
 */
export async function begin({ verifier, clients, now, trust }: WatchOptions): Promise<WatchState> {
  const { sha256 } = verifier;
  const first = trust ?? (await clients[0]!.roots(1))[0];
  demand(first, 'UNREACHABLE', 'the first server shows no trust root');
  const { version } = openRoot(verifier, first).root;
  if (version > 1) await demandLeads(verifier, clients, undefined, first);
  return {
    ...{ trustRoot: first, anchored: trust !== undefined, tree: new Frontier(sha256), since: now() },
    ...{ servers: new Map(), uploads: new Map(), issued: new Map(), standing: new Set<string>(), pending: [] },
    ...{ withoutQuorum: new Map(), judgedBy: undefined },
    sought: version > 1 ? { version, leaf: hex(leafHash(sha256, first)) } : undefined,
  };
}

/**
 * What was kept, under the root that was given where that is a later one. An earlier one has led to what was kept, or was
 * replaced by it when this began: of it the origin alone is compared, so that a watch starts while every server is down.
 * @throws Refusal BAD_ROOT for a root of another ledger, or another one of the version; UNREACHABLE
 */
export async function resume(options: WatchOptions, kept: WatchState): Promise<WatchState> {
  const { verifier, clients, statePath, trust } = options;
  if (trust === undefined) return kept;
  const given = openRoot(verifier, trust).root;
  const { root } = readSignedRoot(verifier.sha256, kept.trustRoot);
  demand(given.origin === root.origin, 'BAD_ROOT', `${statePath} is of ${root.origin}, not of ${given.origin}`);
  if (given.version < root.version) return kept;
  if (given.version === root.version) {
    const same = equal(trust, kept.trustRoot);
    demand(same, 'BAD_ROOT', `${statePath} has another trust root ${root.version} than the one from outside`);
    return { ...kept, anchored: true };
  }
  await demandLeads(verifier, clients, kept.trustRoot, trust);
  return { ...kept, trustRoot: trust, anchored: true };
}

/** @param from undefined for root 1 as a server shows it */
async function demandLeads(
  verifier: Verifier,
  clients: readonly LogClient[],
  from: Uint8Array | undefined,
  to: Uint8Array,
): Promise<void> {
  const { version } = readSignedRoot(verifier.sha256, to).root;
  let silent: Refusal | undefined;
  let answered = false;
  for (const client of clients) {
    try {
      if (await leads(verifier, client, from, to)) return;
      answered = true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.code === 'UNREACHABLE') silent = error;
      else answered = true;
    }
  }
  if (silent && !answered) throw silent;
  throw new Refusal('BAD_ROOT', `no server's trust roots lead to the ${version} from outside`);
}

/** One server that lags behind or lies stops nothing where another one shows the way. @throws Refusal BAD_ROOT, UNREACHABLE */
async function leads(
  verifier: Verifier,
  client: LogClient,
  from: Uint8Array | undefined,
  to: Uint8Array,
): Promise<boolean> {
  let last = from && readSignedRoot(verifier.sha256, from);
  for (const bytes of await client.roots(last ? last.root.version + 1 : 1)) {
    last = last ? nextRoot(verifier, last.root, bytes) : openRoot(verifier, bytes);
    if (equal(bytes, to)) return true;
  }
  return false;
}
