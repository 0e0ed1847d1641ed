/** `keys root`: the next trust root is planned here, signed where the root keys lie, and submitted. */
import { readFile, writeFile } from 'node:fs/promises';
import { demand, type Verifier } from '@countersign/device-sdk';
import { hex, ROLES, type Role, readSignedRoot, type TrustRoot, unhex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import type { Command } from 'commander';
import { planNextRoot, type RootChange, rotation } from '../../keys/next-root.ts';
import { rootDifference } from '../../keys/root-diff.ts';
import {
  type Demanded,
  draftText,
  finishedRoot,
  mergeSignatures,
  missing,
  type RootDraft,
  readDraft,
  signDraft,
} from '../../keys/root-draft.ts';
import { apiClient } from '../client/api-client.ts';
import { ledgerSize, rootFrom, rootInForce, submitRoot } from '../client/roots.ts';
import { publicKeysByRole, readServerKeysFile } from '../up/identities.ts';
import { addressOf, connect, dataFolder, readInput, type ServerOptions, serverOptions } from './connect.ts';
import { note, type Outcome, verb, WrongUse } from './program.ts';
import { pinnedIn } from './sign-root.ts';
import { collect, readWhole } from './values.ts';

export function rootVerbs(keys: Command): void {
  const root = keys
    .command('root')
    .description('the next trust root: planned, signed by root keys anywhere, submitted');
  currentVerb(root);
  nextVerb(root);
  showVerb(root);
  signVerb(root);
  submitVerb(root);
}

interface CurrentOptions extends ServerOptions {
  trust?: string;
  out?: string;
}

function currentVerb(root: Command): void {
  const command = serverOptions(
    root.command('current').description('the trust root in force, proven from one that you hold; needs no token'),
  )
    .option('--trust <file>', 'a trust root that you have verified, of any version, instead of the one in --data')
    .option('-o, --out <file>', 'file for it, as --trust takes it');
  verb(command, async (options: CurrentOptions) => {
    const verifier = nodeVerifier();
    const { sha256 } = verifier;
    const { url, token } = await addressOf(options);
    const held = options.trust === undefined ? await pinnedIn(dataFolder(options)) : await readInput(options.trust);
    const current = await rootFrom(apiClient(url, token), verifier, held);
    if (!held) note('nothing was compared: this is what the server says of itself (--trust FILE)');
    const before = held && readSignedRoot(sha256, held).root;
    const changes = before ? rootDifference(sha256, before, current.root) : [];
    if (options.out !== undefined) await writeFile(options.out, current.bytes, { flag: 'wx' });
    const { version, origin } = current.root;
    const sum = hex(sha256(current.bytes));
    const since = before && before.version < version ? [`since trust root ${before.version}:`] : [];
    const lines = [`trust root ${version} of ${origin}`, `SHA-256 ${sum}`, ...since];
    return {
      json: { version, origin, sha256: sum, anchored: held !== undefined, changes, file: options.out ?? null },
      text: [...lines, ...changes.map((line) => `  ${line}`)].join('\n'),
    };
  });
}

interface NextOptions extends ServerOptions {
  rotate: string[];
  add: string[];
  revoke: string[];
  remove: string[];
  threshold: string[];
  floor: string[];
  headAge?: number;
  restart?: string | false;
  out: string;
}

function nextVerb(root: Command): void {
  const command = serverOptions(root.command('next').description('plan the next trust root; nothing is signed yet'))
    .option(
      '--rotate <file>',
      'public keys of a server (`keys server X --next`) that replace its present ones',
      collect,
      [],
    )
    .option('--add <file>', 'public keys that count beside the present ones', collect, [])
    .option(
      '--revoke <kid[@size]>',
      "a key whose work counts before this leaf alone; the ledger's size where not given",
      collect,
      [],
    )
    .option('--remove <kid>', 'a key that goes, with all its work', collect, [])
    .option('--threshold <role=n>', 'how many keys of a role must sign; of peers: the quorum', collect, [])
    .option('--floor <class=sequence>', 'lowest sequence that devices of a class install', collect, [])
    .option('--head-age <seconds>', 'devices with a clock start nothing under an older head', readWhole)
    .option('--restart <head>', 'head file of a ledger (ledger/head) from which devices begin again')
    .option('--no-restart', 'take a former restart head out')
    .requiredOption('-o, --out <file>', 'file for those who sign');
  verb(command, async (options: NextOptions) => {
    const verifier = nodeVerifier();
    const session = await connect(options);
    const current = await rootInForce(session, await pinnedIn(dataFolder(options)));
    const size = await ledgerSize(session);
    const change = await changeOf(verifier, current.root, size, options);
    const draft = { current: current.bytes, next: planNextRoot(verifier, current.root, change), signatures: [] };
    await writeFile(options.out, draftText(draft), { flag: 'wx' });
    return described(verifier, draft, options.out);
  });
}

async function changeOf(verifier: Verifier, root: TrustRoot, size: number, o: NextOptions): Promise<RootChange> {
  const changes: RootChange[] = [];
  for (const file of o.rotate) {
    for (const [role, keys] of await keysIn(file)) changes.push(rotation(verifier, root, role, keys, size));
  }
  const add = changes.flatMap((change) => change.add ?? []);
  for (const file of o.add)
    for (const [role, keys] of await keysIn(file)) add.push(...keys.map((key) => ({ role, key })));
  const floors = o.floor.map(readFloor);
  return {
    add,
    revoke: [
      ...changes.flatMap((change) => change.revoke ?? []),
      ...o.revoke.map((text) => readRevocation(text, size)),
    ],
    remove: [...changes.flatMap((change) => change.remove ?? []), ...o.remove.map(readKid)],
    thresholds: Object.fromEntries(o.threshold.map(readThreshold)),
    ...(o.headAge === undefined ? {} : { headAgeMax: o.headAge }),
    ...(floors.length === 0 ? {} : { floors: mergedFloors(root, floors) }),
    ...(o.restart === undefined || (o.restart as unknown) === true
      ? {}
      : { restart: o.restart === false ? null : await readRestart(o.restart, size) }),
  };
}

async function keysIn(file: string) {
  const byRole = publicKeysByRole([await readServerKeysFile(file)]);
  return Object.entries(byRole) as [Role, NonNullable<(typeof byRole)[Role]>][];
}

function readKid(text: string): string {
  if (unhex(text)?.length !== 8) throw new WrongUse(`${text.slice(0, 40)} is no key id: 16 hex digits`);
  return text.toLowerCase();
}

/** A place that the ledger has not come to yet would let the thief go on until then. */
function readRevocation(text: string, size: number): { kid: string; logSize: number } {
  const [kid = '', at] = text.split('@');
  const logSize = at === undefined ? size : Number(at);
  const good = Number.isSafeInteger(logSize) && logSize >= 0 && logSize <= size;
  if (!good) throw new WrongUse(`${text}: the ledger has ${size} entries`);
  return { kid: readKid(kid), logSize };
}

function readThreshold(text: string): [Role, number] {
  const [, name, count] = /^([a-z]+)=(\d{1,2})$/.exec(text) ?? [];
  const role = ROLES.find((item) => item === name);
  if (!role) throw new WrongUse(`${text}: write role=n with a role of ${ROLES.join(', ')}`);
  return [role, Number(count)];
}

function readFloor(text: string): TrustRoot['floors'][number] {
  const [, id = '', floor] = /^([0-9a-f]{32})=(\d{1,15})$/i.exec(text) ?? [];
  const classId = unhex(id);
  if (classId?.length !== 16) throw new WrongUse(`${text}: write class=sequence, the class as 32 hex digits`);
  return { classId, floor: Number(floor) };
}

function mergedFloors(root: TrustRoot, floors: TrustRoot['floors']): TrustRoot['floors'] {
  const byClass = new Map([...root.floors, ...floors].map((item) => [hex(item.classId), item]));
  return [...byClass.values()];
}

/** A head file of a ledger, whose signature is not asked for: the root keys say that this is the head. */
async function readRestart(path: string, size: number) {
  const { readStoredHead } = await import('../../ledger/embedded/head-file.ts');
  const { head } = readStoredHead(await readInput(path));
  if (head.size > size) note(`the restart head has ${head.size} entries, the ledger ${size}`);
  return { size: head.size, root: head.root, indexRoot: head.indexRoot };
}

function showVerb(root: Command): void {
  const command = root.command('show <draft>').description('what would change, and who has signed');
  verb(command, async (file: string) => {
    const verifier = nodeVerifier();
    return described(verifier, readDraft(verifier, await readFile(file, 'utf8')), file);
  });
}

interface SignOptions {
  key: string;
  trust?: string;
  passphraseFile?: string;
}

function signVerb(root: Command): void {
  const command = root
    .command('sign <draft>')
    .description('add the signature of a root key; works without any network')
    .requiredOption('--key <file>', 'file of the root key')
    .option('--trust <file>', 'the trust root that you know to be in force: another one in the draft is refused')
    .option('--passphrase-file <file>', 'passphrase of the key [COUNTERSIGN_PASSPHRASE_FILE]');
  verb(command, async (file: string, options: SignOptions) => {
    const verifier = nodeVerifier();
    const draft = readDraft(verifier, await readFile(file, 'utf8'));
    if (options.trust !== undefined) {
      const known = await readInput(options.trust);
      demand(hex(known) === hex(draft.current), 'BAD_ROOT', 'the draft begins from another trust root than yours');
    }
    const signer = await loadSigner(options.key, await findPassphrase({ file: options.passphraseFile }));
    demand(signer.role === 'root', 'WRONG_ROLE', `${options.key} holds a ${signer.role} key`);
    const signed = await signDraft(verifier, draft, signer);
    await writeFile(file, draftText(signed));
    return described(verifier, signed, file);
  });
}

function submitVerb(root: Command): void {
  const command = serverOptions(
    root.command('submit <drafts...>').description('put the signatures of several copies together and log the root'),
  );
  verb(command, async (files: string[], options: ServerOptions) => {
    const verifier = nodeVerifier();
    const drafts = await Promise.all(files.map(async (file) => readDraft(verifier, await readFile(file, 'utf8'))));
    const [first, ...others] = drafts as [RootDraft, ...RootDraft[]];
    const draft = others.reduce((all, one) => mergeSignatures(verifier, all, one.signatures), first);
    const bytes = finishedRoot(verifier, draft);
    const committed = await submitRoot(await connect(options), bytes);
    const { version } = draft.next;
    return { json: { version, ...committed }, text: `trust root ${version} is entry ${committed.leafIndex}` };
  });
}

export function described(verifier: Verifier, draft: RootDraft, file: string): Outcome {
  const { root } = readSignedRoot(verifier.sha256, draft.current);
  const lines = rootDifference(verifier.sha256, root, draft.next);
  const needed = missing(verifier, draft);
  const json = { file, version: draft.next.version, changes: lines, signatures: needed };
  return {
    json,
    text: [`trust root ${draft.next.version}`, ...lines.map((line) => `  ${line}`), ...needed.map(neededText)].join(
      '\n',
    ),
  };
}

function neededText({ version, threshold, keys, missing: more }: Demanded): string {
  const signed = keys.filter((key) => key.signed).map((key) => key.kid);
  const open = keys.filter((key) => !key.signed).map((key) => key.kid);
  const still = more === 0 ? 'enough' : `${more} more of ${open.join(', ')}`;
  return `root keys of version ${version}: ${signed.length} of ${threshold} signed, ${still}`;
}
