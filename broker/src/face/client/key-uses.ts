/**
 * When each key was last seen to sign. Entries, heads, cosignatures and trust roots hold signatures under key ids; of second
 * signatures and of what a centre issued the ledger holds entries that could not be there without them.
 */
import { codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  decodeSign1,
  equal,
  HEADER_KID,
  HEADER_TYP,
  hex,
  KID_BYTES,
  kidOf,
  leafHash,
  type PublicKey,
  readReceipt,
  readRollout,
  readStatement,
  readTransaction,
  type SignedRoot,
  type Statement,
  type TrustRoot,
  typOf,
  unhex,
} from '@countersign/device-sdk/format';
import { activeKeys } from '../../keys/next-root.ts';
import { readIssueKeyArgs } from '../../ledger/contract/issue-key-args.ts';
import type { HeadView } from '../api/views.ts';
import type { SeenIn } from './key-kinds.ts';
import type { Session } from './session.ts';

/** Entries looked at from the newest on: some seconds of work for a server, and a day of a fleet of 1,000. */
export const ENTRIES_LOOKED_AT = 5_120;

export interface Uses {
  /** The newest signature of each kid in hex. */
  used: Map<string, { entry: number | null; time: number }>;
  /** Leaf from which on entries were looked at; undefined where the server has none to show. */
  lookedFrom: number | undefined;
}

/** @param all every trust root that the server has, in order */
export async function askUses(session: Session, all: readonly SignedRoot[]): Promise<Uses> {
  const { api, verifier } = session;
  const head = (await api.get('/api/v1/head')) as HeadView;
  // A root is in force before peers have cosigned a head over it, and no server proves it until then.
  const roots = all.filter(({ root }) => root.version <= head.rootVersion);
  const used: Uses['used'] = new Map();
  for (const kid of kidsIn(unhex(head.signed)!)) used.set(kid, { entry: null, time: head.time });
  // One key alone can have written the newest block; which of several did is not in a head.
  const [orderer, ...others] = roots.at(-1)?.root.roles.orderer.keys ?? [];
  if (orderer && others.length === 0) used.set(`orderer ${hex(orderer.bytes)}`, { entry: null, time: head.time });
  const lookedFrom = Math.max(0, head.size - ENTRIES_LOOKED_AT);
  try {
    noteEntries(verifier, used, await entriesFrom(session, lookedFrom, head.size), roots);
    await noteEarlierRoots(session, used, roots);
    await noteCosignatures(session, used);
    return { used, lookedFrom };
  } catch (error) {
    // Collection and distribution servers have no entries to show.
    if (codeOf(error) !== 'NOT_FOUND') throw error;
    return { used, lookedFrom: undefined };
  }
}

interface Entry {
  leafIndex: number;
  bytes: string;
  time: number;
}

async function entriesFrom(session: Session, from: number, size: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let next = from; next < size; next = entries.at(-1)!.leafIndex + 1) {
    const more = await follow(session, next);
    if (more.length === 0) break;
    entries.push(...more);
  }
  return entries;
}

async function follow({ api }: Session, from: number): Promise<Entry[]> {
  const { events } = (await api.get('/api/v1/ledger/follow', { from: String(from), wait: '0' })) as { events: Entry[] };
  return events;
}

function noteEntries(
  verifier: Verifier,
  used: Uses['used'],
  entries: readonly Entry[],
  roots: readonly SignedRoot[],
): void {
  const places = new Map(roots.map(({ bytes }, place) => [hex(bytes), place]));
  const first = entries.map(({ bytes }) => places.get(bytes)).find((place) => place !== undefined);
  let place = (first ?? roots.length) - 1;
  const named = new Set<string>();
  for (const { leafIndex, bytes, time } of entries) {
    const ofRoot = places.get(bytes);
    place = ofRoot ?? place;
    const kids =
      ofRoot === undefined
        ? kidsOfEntry(verifier, unhex(bytes)!, roots[place]?.root, named)
        : rootSigners(verifier, roots, ofRoot);
    for (const kid of kids) used.set(kid, { entry: leafIndex, time });
  }
}

/** Root keys of this version and the one before: beside their signatures whoever submits a root may put others. */
function rootSigners(verifier: Verifier, roots: readonly SignedRoot[], place: number): string[] {
  const { root, signatures } = roots[place]!;
  const keys = [...root.roles.root.keys, ...(roots[place - 1]?.root.roles.root.keys ?? [])];
  const signed = (key: PublicKey) => {
    const kid = kidOf(verifier.sha256, key);
    return signatures.some((statement) => equal(statement.kid, kid) && isBy(verifier, statement, key));
  };
  return keys.filter(signed).map((key) => hex(kidOf(verifier.sha256, key)));
}

function isBy(verifier: Verifier, statement: Statement, key: PublicKey): boolean {
  try {
    checkStatement(verifier, statement, key);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/**
 * Who signed an entry, and whose work it is besides.
 * @param named digests of the second signatures so far: a later statement over one says nothing of when it was made
 */
function kidsOfEntry(
  verifier: Verifier,
  bytes: Uint8Array,
  inForce: TrustRoot | undefined,
  named: Set<string>,
): string[] {
  const kids: string[] = [];
  try {
    kids.push(...kidsIn(bytes));
    const typ = decodeSign1(bytes).protected.get(HEADER_TYP);
    if (typ === typOf('tx')) {
      const { action, args } = readTransaction(readStatement(bytes, 'tx').payload);
      if (action === 'issueKey') kids.push(hex(readIssueKeyArgs(args).key.centre.slice(0, KID_BYTES)));
    }
    if (typ === typOf('rollout')) {
      const digest = hex(readRollout(readStatement(bytes, 'rollout').payload).block2Digest);
      const keys = inForce && !named.has(digest) ? activeKeys(verifier, inForce, 'distribution') : [];
      named.add(digest);
      // Which of several made it is not in the statement.
      if (keys.length === 1) kids.push(hex(kidOf(verifier.sha256, keys[0]!)));
    }
  } catch {
    // What an entry says is for the ledger's readers to refuse; its signer stands.
  }
  return kids;
}

function kidsIn(bytes: Uint8Array): string[] {
  const kid = decodeSign1(bytes).protected.get(HEADER_KID);
  return kid instanceof Uint8Array ? [hex(kid)] : [];
}

/** Root keys sign seldom: where their newest trust root lies before the entries that were looked at, it is asked for. */
async function noteEarlierRoots(session: Session, used: Uses['used'], roots: readonly SignedRoot[]): Promise<void> {
  const { api, verifier } = session;
  for (let place = roots.length - 1; place >= 0; place--) {
    const { bytes } = roots[place]!;
    const kids = rootSigners(verifier, roots, place).filter((kid) => !used.has(kid));
    if (kids.length === 0) continue;
    const leaf = hex(leafHash(verifier.sha256, bytes));
    const { receipt } = (await api.get(`/api/v1/ledger/receipts/${leaf}`)) as { receipt: string };
    const [entry] = await follow(session, readReceipt(unhex(receipt)!).leafIndex);
    if (entry?.bytes !== hex(bytes)) continue;
    for (const kid of kids) used.set(kid, { entry: entry.leafIndex, time: entry.time });
  }
}

/** Those of the newest head that the server shows. */
async function noteCosignatures({ api }: Session, used: Uses['used']): Promise<void> {
  const { head, cosignatures } = (await api.get('/api/v1/ledger/head')) as {
    head: { time: number };
    cosignatures: { kid: string }[];
  };
  for (const { kid } of cosignatures) used.set(kid, { entry: null, time: head.time });
}

/** How the last use of a key is known, or why it is not. */
export function sourceOf(seenIn: SeenIn, seen: boolean, { lookedFrom }: Uses): string {
  if (seenIn === 'nowhere') return 'what it signs is not in the ledger';
  if (seenIn === 'heads') return seen ? 'the newest head' : 'the newest head is not by it';
  if (lookedFrom === undefined) return 'this server shows no entries: ask the ledger';
  if (seenIn === 'cosignatures') return seen ? 'the newest cosigned head' : 'the newest head is not cosigned by it';
  if (seenIn === 'roots') return seen ? 'the newest trust root that it signed' : 'it signed no trust root';
  if (seen) return SEEN[seenIn];
  return lookedFrom === 0
    ? `no entry ${NOT_SEEN[seenIn]}`
    : `none of the entries from ${lookedFrom} on ${NOT_SEEN[seenIn]}`;
}

type InEntries = 'entries' | 'rollouts' | 'issued';

const SEEN: Record<InEntries, string> = {
  entries: 'the entries of the ledger',
  rollouts: 'the newest second signature: the first rollout statement that names it',
  issued: 'the newest entry of a key that it issued',
};

const NOT_SEEN: Record<InEntries, string> = {
  entries: 'is by it',
  rollouts: 'names a second signature that is certainly of this key',
  issued: 'is of a key that it issued',
};
