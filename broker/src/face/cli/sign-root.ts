/** The next trust root signed where root keys lie, and submitted when they are enough. */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import { hex, kidOf, publicKeyOf, type SignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import { type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { rootDifference } from '../../keys/root-diff.ts';
import { draftText, finishedRoot, missing, type RootDraft, signDraft } from '../../keys/root-draft.ts';
import { submitRoot } from '../client/roots.ts';
import type { Session } from '../client/session.ts';
import { keysFolder, trustRootPath } from '../up/folders.ts';
import { readInput } from './connect.ts';

export interface RootKeysHere {
  data: string | undefined;
  passphrase: string | undefined;
  /** Folder of root key files, instead of the one in `data`. */
  rootKeys: string | undefined;
  /** File for those who sign besides, where the keys here are too few. */
  out: string | undefined;
}

export interface SubmittedRoot {
  /** False where the draft goes to those who sign besides. */
  inForce: boolean;
  json: Record<string, unknown>;
  text: string;
}

/** @throws Refusal BAD_ROOT where the keys here are too few and `out` is not given; the ledger's */
export async function signAndSubmit(
  session: Session,
  current: SignedRoot,
  plan: TrustRoot,
  here: RootKeysHere,
): Promise<SubmittedRoot> {
  const { verifier } = session;
  const draft = await signedHere(verifier, { current: current.bytes, next: plan, signatures: [] }, here);
  const changes = rootDifference(verifier.sha256, current.root, plan);
  if (missing(verifier, draft).some((item) => item.missing > 0)) return travels(draft, changes, here.out);
  const committed = await submitRoot(session, finishedRoot(verifier, draft));
  const lines = changes.map((line) => `  ${line}`).join('\n');
  return {
    inForce: true,
    json: { version: plan.version, changes, ...committed },
    text: `trust root ${plan.version} is entry ${committed.leafIndex}\n${lines}`,
  };
}

async function travels(draft: RootDraft, changes: readonly string[], out: string | undefined): Promise<SubmittedRoot> {
  const { version } = draft.next;
  demand(
    out,
    'BAD_ROOT',
    `trust root ${version} needs more signatures than the keys here give: write the draft with -o FILE`,
  );
  await writeFile(out, draftText(draft), { flag: 'wx' });
  const text = `${out}: trust root ${version} needs further signatures (countersign keys root sign), then countersign keys root submit`;
  return { inForce: false, json: { version, changes, draft: out }, text };
}

/** Trust root 1 as it is pinned in a folder, where there is one. */
export async function pinnedIn(data: string | undefined): Promise<Uint8Array | undefined> {
  const path = data === undefined ? undefined : trustRootPath(data);
  return path !== undefined && existsSync(path) ? readInput(path) : undefined;
}

/** Signed by every root key of the folder that counts for one of the two versions. */
async function signedHere(
  verifier: Verifier,
  draft: RootDraft,
  { data, passphrase, rootKeys }: RootKeysHere,
): Promise<RootDraft> {
  const folder = rootKeys ?? (data === undefined ? undefined : keysFolder(data, 'root'));
  const signers = folder !== undefined && existsSync(folder) ? await signersIn(folder, passphrase) : [];
  let signed = draft;
  for (const signer of signers) {
    const kid = hex(kidOf(verifier.sha256, publicKeyOf(signer)));
    const counts = missing(verifier, signed).some(({ keys }) => keys.some((key) => key.kid === kid && !key.signed));
    if (counts) signed = await signDraft(verifier, signed, signer);
  }
  return signed;
}

async function signersIn(folder: string, passphrase: string | undefined): Promise<LoadedKey[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.key')).sort();
  const keys = await Promise.all(files.map((name) => loadSigner(join(folder, name), passphrase)));
  return keys.filter(({ role }) => role === 'root');
}
