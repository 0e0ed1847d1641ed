/** Keys that a centre issued go on the record before their first signature. */
import { existsSync } from 'node:fs';
import { codeOf } from '@countersign/device-sdk';
import { hex, IMPLICIT_ROLES, implicitThumbprint, type Signer } from '@countersign/device-sdk/format';
import { issuedPath, readIssued } from '../../keys/kgc/request.ts';
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

function filesOf(data: string): string[] {
  return IMPLICIT_ROLES.map((role) => issuedPath(keysFolder(data, role), role)).filter((path) => existsSync(path));
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
  const all = (await session.api.get('/api/v1/issued-keys')) as IssuedKeyView[];
  const known = new Set(all.flatMap(({ points }) => points.map((point) => point.thumbprint)));
  for (const file of files) {
    const issued = await readIssued(file);
    if (known.has(hex(implicitThumbprint(session.verifier.sha256, issued.key)))) continue;
    if (signer) await once(() => issue(session, signer, issued));
    else tell(`not on the record, so nothing is signed with it: countersign keys issue ${file}`);
  }
}

/** Whoever was quicker has done the same. */
async function once(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (codeOf(error) !== 'DUPLICATE') throw error;
  }
}
