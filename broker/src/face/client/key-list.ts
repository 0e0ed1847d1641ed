/**
 * Every key of an installation with what it is for. Three places know of keys: files in the folder, the trust roots, and
 * the ledger's people, grants and devices; the same public key in two of them is one row.
 */
import { codeOf } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  decodeSign1,
  HEADER_KID,
  hex,
  isImplicit,
  kidOf,
  type PublicKey,
  readSignedRoot,
  type Sha256,
  type TrustRoot,
  thumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import type { DeviceView, GrantView, IssuedKeyView, PersonView } from '../../ledger/contract/views.ts';
import type { HeadView } from '../api/views.ts';
import { KEY_KINDS } from './key-kinds.ts';
import type { Finding, KeyInFolder, KeyRow } from './key-row.ts';
import { recordFindings, rootFindings } from './named-keys.ts';
import type { Session } from './session.ts';

/** Entries looked at from the newest on: some seconds of work for a server, and a day of a fleet of 1,000. */
export const ENTRIES_LOOKED_AT = 5_120;

export interface Installation {
  findings: Finding[];
  /** The newest signature of each kid in hex. */
  used: Map<string, { entry: number | null; time: number }>;
  /** Leaf from which on entries were looked at; undefined where the server has none to show. */
  lookedFrom: number | undefined;
}

/** What a running server says about keys. Devices only where asked for: there may be 100,000 of them. */
export async function askKeys(session: Session, withDevices: boolean): Promise<Installation> {
  const { api, verifier } = session;
  const { roots } = (await api.get('/api/v1/trust-roots')) as { roots: string[] };
  const read = roots.map((bytes) => readSignedRoot(verifier.sha256, unhex(bytes)!).root);
  const named = rootFindings(verifier.sha256, read);
  const onRecord = (await api.get('/api/v1/issued-keys')) as IssuedKeyView[];
  const findings = [...named, ...recordFindings(named, onRecord)];
  for (const person of (await api.get('/api/v1/people')) as (PersonView & { alg: number })[]) {
    findings.push({
      ...{ kind: 'person', name: person.name, key: keyOf(person), state: person.state },
      namedBy: `ledger: ${person.roles.join(', ')}`,
    });
    const others = { kind: 'person', name: person.name } as const;
    const { newKey, formerKeys = [] } = person;
    if (newKey) findings.push({ ...others, key: keyOf(newKey), state: 'proposed', namedBy: 'ledger: the next key' });
    for (const key of formerKeys)
      findings.push({ ...others, key: keyOf(key), state: 'retired', namedBy: 'ledger: a former key' });
  }
  for (const grant of (await api.get('/api/v1/grants')) as GrantView[]) {
    const state = grant.state === 'revoked' ? 'revoked' : grant.used < grant.devices ? 'active' : 'used up';
    const namedBy = `ledger: ${grant.used} of ${grant.devices} devices`;
    findings.push({ kind: 'grant', name: grant.grantId, key: keyOf(grant), state, namedBy });
  }
  const devices = withDevices ? ((await api.get('/api/v1/devices')) as DeviceView[]) : [];
  for (const device of devices) {
    const state = device.state === 'revoked' ? 'revoked' : 'active';
    const namedBy = `ledger: epoch ${device.epoch}`;
    findings.push({ kind: 'device', name: device.deviceId, key: keyOf(device), state, namedBy });
  }
  return { findings, ...(await askUses(session, read.at(-1))) };
}

function keyOf({ alg, publicKey }: { alg: number; publicKey: string }): PublicKey {
  return { alg, bytes: unhex(publicKey)! };
}

/** Who signed the newest entries, and the newest head. */
async function askUses({ api }: Session, root: TrustRoot | undefined): Promise<Omit<Installation, 'findings'>> {
  const head = (await api.get('/api/v1/head')) as HeadView;
  const used: Installation['used'] = new Map();
  note(used, head.signed, null, head.time);
  // One key alone can have written the newest block; which of several did is not in a head.
  const [orderer, ...others] = root?.roles.orderer.keys ?? [];
  if (orderer && others.length === 0) used.set(`orderer ${hex(orderer.bytes)}`, { entry: null, time: head.time });
  const first = Math.max(0, head.size - ENTRIES_LOOKED_AT);
  try {
    for (let from = first; from < head.size; ) {
      const { events } = (await api.get('/api/v1/ledger/follow', { from: String(from), wait: '0' })) as {
        events: { leafIndex: number; bytes: string; time: number }[];
      };
      if (events.length === 0) break;
      for (const { leafIndex, bytes, time } of events) note(used, bytes, leafIndex, time);
      from = events.at(-1)!.leafIndex + 1;
    }
    return { used, lookedFrom: first };
  } catch (error) {
    // Collection and distribution servers have no entries to show.
    if (codeOf(error) !== 'NOT_FOUND') throw error;
    return { used, lookedFrom: undefined };
  }
}

function note(used: Installation['used'], bytes: string, entry: number | null, time: number): void {
  try {
    const kid = decodeSign1(unhex(bytes)!).protected.get(HEADER_KID);
    if (kid instanceof Uint8Array) used.set(hex(kid), { entry, time });
  } catch {
    // A trust root has several signatures; `keys list` shows its version instead.
  }
}

/** One row for each key, whoever knows of it. */
export function keyRows(
  sha256: Sha256,
  folder: readonly KeyInFolder[],
  installation: Installation | undefined,
): KeyRow[] {
  const rows = new Map<string, Finding>();
  for (const finding of installation?.findings ?? []) rows.set(printOf(sha256, finding), finding);
  for (const own of folder) {
    const print = hex(thumbprint(sha256, own.key));
    const { file, kept } = own;
    // Without a server nobody here knows whether it is in force.
    const unnamed: Finding = { ...own, state: installation ? 'next' : 'unknown', namedBy: null };
    rows.set(print, { ...(rows.get(print) ?? unnamed), file, kept });
  }
  return [...rows].map(([print, finding]) => rowOf(sha256, print, finding, installation));
}

function printOf(sha256: Sha256, { key, thumbprint: print }: Finding): string {
  return print ?? hex(thumbprint(sha256, key!));
}

function rowOf(sha256: Sha256, print: string, finding: Finding, installation: Installation | undefined): KeyRow {
  const { kind, name, key, issued, state, namedBy, file = null, kept = null } = finding;
  const kid = key ? hex(kidOf(sha256, key)) : print.slice(0, 16);
  const { signs, without } = KEY_KINDS[kind];
  const used = installation?.used;
  const special = kind === 'orderer' && key ? used?.get(`orderer ${hex(key.bytes)}`) : undefined;
  const lastUsed = special ?? used?.get(kid) ?? null;
  const { epoch = null, centre = null } = issued ?? {};
  const shown = key && !isImplicit(key) ? hex(key.bytes) : null;
  const alg = issued ? ALG_ESP256 : (key?.alg ?? null);
  return {
    ...{ kind, name, epoch, centre, alg, publicKey: shown, thumbprint: print, kid },
    ...{ state, namedBy, file, kept, sealed: kept === 'sealed', lastUsed },
    lastUsedFrom: installation ? sourceOf(signs, lastUsed !== null, installation) : 'no server was asked',
    without,
  };
}

function sourceOf(signs: 'entries' | 'heads' | 'elsewhere', seen: boolean, { lookedFrom }: Installation): string {
  if (signs === 'heads') return seen ? 'the newest head' : 'the newest head is not by it';
  if (signs === 'elsewhere') return 'what it signs is not in the ledger under its key id';
  if (lookedFrom === undefined) return 'this server shows no entries: ask the ledger';
  if (seen) return 'the entries of the ledger';
  return lookedFrom === 0 ? 'no entry is by it' : `none of the entries from ${lookedFrom} on is by it`;
}
