/** `keys rotate ROLE`: everything in one go where keys and root keys lie in one folder, or the draft for those who sign. */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  equal,
  hex,
  kidOf,
  type PublicKey,
  publicKeyOf,
  ROLES,
  type Role,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import type { Command } from 'commander';
import { planNextRoot, rotation } from '../../keys/next-root.ts';
import { openKeyRing } from '../../keys/ring.ts';
import { rootDifference } from '../../keys/root-diff.ts';
import { draftText, finishedRoot, missing, type RootDraft, signDraft } from '../../keys/root-draft.ts';
import { ledgerSize, rootInForce, submitRoot } from '../client/roots.ts';
import { KEY_HOLDERS, type KeyHolder, keysFolder, trustRootPath } from '../up/folders.ts';
import { publicKeysByRole, readServerKeysFile, SERVER_ROLES } from '../up/identities.ts';
import { connect, dataFolder, readInput, type ServerOptions, serverOptions } from './connect.ts';
import { verb, WrongUse } from './program.ts';
import { readWhole } from './values.ts';

interface RotateOptions extends ServerOptions {
  keys?: string;
  stolenFrom?: number;
  rootKeys?: string;
  out?: string;
  passphraseFile?: string;
}

export function rotateVerb(keys: Command): void {
  const command = serverOptions(
    keys.command('rotate <role>').description(`replace the key of a role: ${ROLES.join(', ')}`),
  )
    .option(
      '--keys <file>',
      'public keys made where the server runs (`keys server X --next`), instead of new ones in --data',
    )
    .option('--stolen-from <size>', "the key is a thief's: only its work before this leaf counts", readWhole)
    .option('--root-keys <dir>', 'folder of root key files, instead of root/keys in --data')
    .option('-o, --out <file>', 'where the keys here are too few: file for those who sign besides')
    .option('--passphrase-file <file>', 'passphrase of the key files [COUNTERSIGN_PASSPHRASE_FILE]');
  verb(command, async (name: string, options: RotateOptions) => {
    const role = ROLES.find((item) => item === name);
    if (!role) throw new WrongUse(`${name} is no role of the trust root: ${ROLES.join(', ')}`);
    const verifier = nodeVerifier();
    const data = dataFolder(options);
    const session = await connect(options);
    const current = await rootInForce(session, await pinnedIn(data));
    const size = await ledgerSize(session);
    const from = options.stolenFrom ?? size;
    if (from > size) throw new WrongUse(`--stolen-from ${from}: the ledger has ${size} entries`);
    const passphrase = await findPassphrase({ file: options.passphraseFile });
    const next = await nextKeys(role, current.root, data, passphrase, options);
    const stolen = options.stolenFrom !== undefined;
    const change = rotation(verifier, current.root, role, next, from, stolen);
    const plan = planNextRoot(verifier, current.root, change);
    const draft = await signedHere(
      verifier,
      { current: current.bytes, next: plan, signatures: [] },
      data,
      passphrase,
      options,
    );
    const changes = rootDifference(verifier.sha256, current.root, plan);
    if (missing(verifier, draft).some((item) => item.missing > 0)) return travels(draft, changes, options.out);
    const committed = await submitRoot(session, finishedRoot(verifier, draft));
    const lines = changes.map((line) => `  ${line}`).join('\n');
    return {
      json: { version: plan.version, changes, ...committed },
      text: `trust root ${plan.version} is entry ${committed.leafIndex}\n${lines}`,
    };
  });
}

async function travels(draft: RootDraft, changes: readonly string[], out: string | undefined) {
  const { version } = draft.next;
  demand(
    out,
    'BAD_ROOT',
    `trust root ${version} needs more signatures than the keys here give: write the draft with -o FILE`,
  );
  await writeFile(out, draftText(draft), { flag: 'wx' });
  const text = `${out}: trust root ${version} needs further signatures (countersign keys root sign), then countersign keys root submit`;
  return { json: { version, changes, draft: out }, text };
}

/** Trust root 1 as it is pinned in a folder, where there is one. */
export async function pinnedIn(data: string | undefined): Promise<Uint8Array | undefined> {
  const path = data === undefined ? undefined : trustRootPath(data);
  return path !== undefined && existsSync(path) ? readInput(path) : undefined;
}

/** A key that an earlier call prepared and no root names yet is taken: a command that failed half-way is repeated. */
async function nextKeys(
  role: Role,
  root: TrustRoot,
  data: string | undefined,
  passphrase: string | undefined,
  { keys }: RotateOptions,
): Promise<PublicKey[]> {
  if (keys !== undefined) {
    const given = publicKeysByRole([await readServerKeysFile(keys)])[role] ?? [];
    demand(given.length > 0, 'BAD_REQUEST', `${keys} holds no ${role} key`);
    return given;
  }
  if (data === undefined)
    throw new WrongUse('say where the new key is made: --data DIR, or give its public one with --keys');
  const ring = await openKeyRing(keysFolder(data, holderOf(role)), [role], { passphrase });
  const listed = (key: PublicKey) =>
    ROLES.some((item) => root.roles[item].keys.some((known) => equal(known.bytes, key.bytes)));
  const newest = ring.newest(role);
  if (!listed(newest) && ring.count(role) > 1) return [newest];
  return (await ring.prepare([role])).map(({ key }) => key);
}

function holderOf(role: Role): KeyHolder | 'root' {
  if (role === 'root') return 'root';
  return KEY_HOLDERS.find((holder) => SERVER_ROLES[holder].includes(role))!;
}

/** Signed by every root key of the folder that counts for one of the two versions. */
async function signedHere(
  verifier: Verifier,
  draft: RootDraft,
  data: string | undefined,
  passphrase: string | undefined,
  { rootKeys }: RotateOptions,
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
