/** What anybody with the right to read may ask. Arguments are texts, answers are plain JSON (see views.ts). */
import { demand, Refusal } from '@countersign/device-sdk';
import type { QueryName } from './query-names.ts';
import { NONE, parse, read, type Stamp, scan, type Type, type Types } from './state.ts';
import type { LedgerStub } from './stub.ts';
import type { HistoryItem, IssuedKeyView, OrderView, PassportView, TotalsView } from './views.ts';
import { EMPTY_TOTALS } from './views.ts';

/** Where an entry stands, by its leaf hash: the engine's knowledge, not the contract's. */
export type PositionOf = (leafHash: string) => number | undefined;

/** More rows in one answer would hold up everything else: narrow the question. */
export const ROWS_MAX = 100_000;
export const HISTORY_MAX = 1_000;

/** @throws Refusal NOT_FOUND, BAD_REQUEST, TOO_LARGE */
export async function evaluate(s: LedgerStub, positionOf: PositionOf, query: string, args: string[]): Promise<unknown> {
  const answer = Object.hasOwn(QUERIES, query) ? QUERIES[query as QueryName] : undefined;
  if (!answer) throw new Refusal('BAD_REQUEST', `there is no query ${query.slice(0, 32)}`);
  for (const arg of args) demand(/^[\x21-\x7e]{1,128}$/.test(arg), 'BAD_REQUEST', 'an argument is no plain word');
  return answer(s, args, positionOf);
}

type Query = (s: LedgerStub, args: string[], positionOf: PositionOf) => Promise<unknown>;

export const QUERIES: Readonly<Record<QueryName, Query>> = {
  getHistory: history,
  getRelease: async (s, args, positionOf) => placed(await one(s, 'release', args), positionOf),
  listReleases: async (s, [classId], positionOf) =>
    (await all(s, 'release', (release) => !classId || release.classId === classId))
      .map((release) => placed(release, positionOf))
      .sort((a, b) => a.sequence - b.sequence || a.uploadedAt - b.uploadedAt),
  getProduct: (s, args) => one(s, 'product', args),
  listProducts: (s) => all(s, 'product'),
  getDevice: (s, args) => one(s, 'device', args),
  listDevices: (s, [classId]) => all(s, 'device', (device) => !classId || device.classId === classId),
  getGrant: (s, args) => one(s, 'grant', args),
  listGrants: (s, [classId]) => all(s, 'grant', (grant) => !classId || grant.classId === classId),
  getPerson: (s, args) => one(s, 'person', args),
  listPeople: (s) => all(s, 'person'),
  getRollout: (s, args) => one(s, 'rollout', args),
  listRollouts: (s, [classId]) => all(s, 'rollout', (rollout) => !classId || rollout.classId === classId),
  getIndexEntry: (s, args) => one(s, 'index', args),
  getTrial: (s, args) => one(s, 'trial', args),
  getPassport: passport,
  listPassports: (s, [classId]) => all(s, 'passport', (held) => !classId || held.classId === classId),
  getIssuedKey: issuedKey,
  listIssuedKeys: async (s) => (await all(s, 'identity')).sort((a, b) => Number(b.convicted) - Number(a.convicted)),
  getPrevious: previous,
  // A mirror knows better, and does not ask the contract.
  getOrder: async (): Promise<OrderView> => ({ outside: null }),
  getTotals: (s, args) => totals(s, need(args, 0, 'a rollout id')),
};

type Listed = 'identity' | 'grant' | 'release' | 'product' | 'device' | 'person' | 'rollout' | 'index' | 'trial';

async function one<T extends Listed>(s: LedgerStub, type: T, args: string[]) {
  const key = need(args, 0, `a ${type}`);
  const found = await read(s, type, key);
  if (!found) throw new Refusal('NOT_FOUND', `there is no ${type} ${key}`);
  return found;
}

async function all<T extends Listed | 'passport'>(
  s: LedgerStub,
  type: T,
  take: (value: Types[T]) => boolean = () => true,
): Promise<Types[T][]> {
  const rows: Types[T][] = [];
  for await (const value of scan(s, type)) {
    if (!take(value)) continue;
    demand(rows.length < ROWS_MAX, 'TOO_LARGE', `more than ${ROWS_MAX} rows`);
    rows.push(value);
  }
  return rows;
}

/** @returns what the ledger has of a device, or of a class */
async function passport(s: LedgerStub, args: string[]): Promise<PassportView> {
  const [kind, id] = [need(args, 0, 'device or product'), need(args, 1, 'an id')];
  const found = await read(s, 'passport', kind, id);
  if (!found) throw new Refusal('NOT_FOUND', `there is no passport of ${kind} ${id}`);
  return found;
}

async function issuedKey(s: LedgerStub, args: string[]): Promise<IssuedKeyView> {
  const print = need(args, 0, 'a thumbprint');
  const issued = await read(s, 'issued', print);
  const found = issued && (await read(s, 'identity', issued.identity));
  if (!found) throw new Refusal('NOT_FOUND', `no issued key has the thumbprint ${print}`);
  return found;
}

/** The release leaf stands directly after the confirm that appended it. */
function placed<R extends { state: string; releaseLeaf: string }>(release: R, positionOf: PositionOf): R {
  if (release.state !== 'confirmed') return release;
  return { ...release, leafIndex: positionOf(release.releaseLeaf) ?? null };
}

/** @returns {previous}: what the next transaction on this object digest must name; a download names the last download */
async function previous(s: LedgerStub, args: string[]): Promise<{ previous: string }> {
  const digest = need(args, 0, 'an object digest');
  if (args[1] === 'download') return { previous: (await read(s, 'download', digest))?.entry ?? NONE };
  return { previous: (await read(s, 'object', digest))?.previous ?? NONE };
}

async function totals(s: LedgerStub, rolloutId: string): Promise<TotalsView> {
  const view: TotalsView = { rolloutId, ...EMPTY_TOTALS, codes: {} };
  const rollout = await read(s, 'rollout', rolloutId);
  if (!rollout) throw new Refusal('NOT_FOUND', `there is no rollout ${rolloutId}`);
  for await (const { outcome, code } of scan(s, 'attempt', rolloutId, rollout.classId)) {
    view[outcome]++;
    view.codes[code] = (view.codes[code] ?? 0) + 1;
  }
  return view;
}

/** Everything that ever changed what the key names, newest first. */
async function history(s: LedgerStub, args: string[], positionOf: PositionOf): Promise<HistoryItem[]> {
  const key = need(args, 0, 'a key');
  const items: HistoryItem[] = [];
  for (const type of typesOf(key)) {
    let count = 0;
    for await (const { value, isDelete, timestamp } of s.getHistoryForKey(s.createCompositeKey(type, [key]))) {
      if (isDelete || count++ >= HISTORY_MAX) continue;
      const state = parse<Type>(value) as unknown as Stamp;
      const leafIndex = positionOf(state.entry) ?? -1;
      const { entry: leafHash, action, signer } = state;
      items.push({ leafHash, leafIndex, time: Number(timestamp.seconds), action, signer, value: state });
    }
  }
  if (items.length === 0) throw new Refusal('NOT_FOUND', `nothing has ever happened to ${key}`);
  return items.sort((a, b) => b.leafIndex - a.leafIndex).slice(0, HISTORY_MAX);
}

/** What a key can name, by its form: leaf hashes have 64 digits, class, device and rollout ids 32, people have names. */
function typesOf(key: string): Type[] {
  if (/^[0-9a-f]{64}$/.test(key)) return ['release', 'download', 'trial', 'identity'];
  if (/^[0-9a-f]{32}$/.test(key)) return ['product', 'index', 'device', 'rollout', 'grant', 'person'];
  return ['person'];
}

function need(args: string[], at: number, what: string): string {
  const arg = args[at];
  if (arg === undefined) throw new Refusal('BAD_REQUEST', `the query needs ${what}`);
  return arg;
}
