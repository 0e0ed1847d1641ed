/** Keys that a centre issued go on the record before their first signature. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '@countersign/device-sdk';
import { hex, IMPLICIT_ROLES, implicitThumbprint, type Signer } from '@countersign/device-sdk/format';
import { readIssued } from '../../keys/kgc/request.ts';
import { identityDigest, issueKeyArgs } from '../../ledger/contract/issue-key-args.ts';
import type { IssuedKeyView } from '../../ledger/contract/views.ts';
import type { CommittedView } from '../api/views.ts';
import { perform, type Session } from '../client/session.ts';
import { keysFolder } from './folders.ts';

type Issued = Awaited<ReturnType<typeof readIssued>>;

/** @throws Refusal NOT_PERMITTED, UNKNOWN_KEY, REVOKED, EXISTS, DUPLICATE */
export function issue(session: Session, signer: Signer, issued: Issued): Promise<CommittedView> {
  const object = identityDigest(session.verifier.sha256, issued.key);
  return perform(session, signer, { action: 'issueKey', object, args: issueKeyArgs(issued) });
}

/** Whether a centre has issued a key to a server of this folder. */
export function hasIssued(data: string): boolean {
  return filesOf(data).length > 0;
}

/** Of every key that a centre issued to this folder, those of later trust roots too. */
function filesOf(data: string): string[] {
  return IMPLICIT_ROLES.flatMap((role) => {
    const folder = keysFolder(data, role);
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(`${role}.`)) : [];
    return names.filter((name) => name.endsWith('.issued')).map((name) => join(folder, name));
  });
}

/** Implicit keys that are on the record, by thumbprint in hex. */
export async function onRecord({ api }: Session): Promise<Set<string>> {
  const all = (await api.get('/api/v1/issued-keys')) as IssuedKeyView[];
  return new Set(all.flatMap(({ points }) => points.map((point) => point.thumbprint)));
}

/**
 * Those of this folder that the ledger has not got yet. Where the keys of the people are elsewhere, they are asked to do it.
 * @param signer of an operator or approver whose key lies here
 */
export async function issueOwn(
  session: Session,
  signer: Signer | undefined,
  data: string,
  tell: (text: string) => void,
): Promise<void> {
  const files = filesOf(data);
  const known = await onRecord(session);
  for (const file of files) {
    const issued = await readIssued(file);
    if (known.has(hex(implicitThumbprint(session.verifier.sha256, issued.key)))) continue;
    if (signer) await once(() => issue(session, signer, issued), file, tell);
    else tell(`not on the record, so nothing is signed with it: countersign keys issue ${file}`);
  }
}

/** Whoever was quicker has done the same; a centre that is to be pinned, or was taken out, must not stop the servers. */
async function once(run: () => Promise<unknown>, file: string, tell: (text: string) => void): Promise<void> {
  try {
    await run();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'UNKNOWN_KEY' || code === 'REVOKED') return tell(`${file} is not on the record: ${code}`);
    if (code !== 'DUPLICATE') throw error;
  }
}
