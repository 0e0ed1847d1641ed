/**
 * Every key of an installation with what it is for. Three places know of keys: files in the folder, the trust roots, and
 * the ledger's people, grants and devices; the same public key in two of them is one row.
 */
import {
  ALG_ESP256,
  hex,
  isImplicit,
  kidOf,
  type PublicKey,
  readSignedRoot,
  type Sha256,
  thumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import type { DeviceView, GrantView, IssuedKeyView, PersonView } from '../../ledger/contract/views.ts';
import { KEY_KINDS } from './key-kinds.ts';
import type { Finding, KeyInFolder, KeyRow } from './key-row.ts';
import { askUses, sourceOf, type Uses } from './key-uses.ts';
import { recordFindings, rootFindings } from './named-keys.ts';
import type { Session } from './session.ts';

export interface Installation extends Uses {
  findings: Finding[];
}

/** What a running server says about keys. Devices only where asked for: there may be 100,000 of them. */
export async function askKeys(session: Session, withDevices: boolean): Promise<Installation> {
  const { api, verifier } = session;
  const { roots } = (await api.get('/api/v1/trust-roots')) as { roots: string[] };
  const read = roots.map((bytes) => readSignedRoot(verifier.sha256, unhex(bytes)!));
  const named = rootFindings(
    verifier.sha256,
    read.map(({ root }) => root),
  );
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
  return { findings, ...(await askUses(session, read)) };
}

function keyOf({ alg, publicKey }: { alg: number; publicKey: string }): PublicKey {
  return { alg, bytes: unhex(publicKey)! };
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
  const { seenIn, without } = KEY_KINDS[kind];
  const special = kind === 'orderer' && key ? installation?.used.get(`orderer ${hex(key.bytes)}`) : undefined;
  const lastUsed = special ?? installation?.used.get(kid) ?? null;
  const { epoch = null, centre = null } = issued ?? {};
  const shown = key && !isImplicit(key) ? hex(key.bytes) : null;
  const alg = issued ? ALG_ESP256 : (key?.alg ?? null);
  return {
    ...{ kind, name, epoch, centre, alg, publicKey: shown, thumbprint: print, kid },
    ...{ state, namedBy, file, kept, sealed: kept === 'sealed', lastUsed },
    lastUsedFrom: installation ? sourceOf(seenIn, lastUsed !== null, installation) : 'no server was asked',
    without,
  };
}
