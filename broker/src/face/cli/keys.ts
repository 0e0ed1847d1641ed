import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { hex, type Role } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { openRoot } from '@countersign/device-sdk/verify';
import { type Command, Option } from 'commander';
import { createPerson, loadPerson } from '../../keys/people.ts';
import { auditKeys, policyText } from '../../ledger/c2sp/trust.ts';
import { encodeVkey } from '../../ledger/c2sp/vkey.ts';
import { PERSON_ROLES, type PersonRole } from '../../ledger/contract/args.ts';
import { makeFolder } from '../../store/durable.ts';
import { KEY_HOLDERS, type KeyHolder, peopleFolder } from '../up/folders.ts';
import { openServerKeys, preparedKeys, SERVER_ROLES, serverKeys, signEnrolment } from '../up/identities.ts';
import { readInput } from './connect.ts';
import { commandVerb } from './key-command.ts';
import { listVerb } from './key-list.ts';
import { rootVerbs } from './keys-root.ts';
import { rotateVerb } from './keys-rotate.ts';
import { kgcVerbs } from './kgc.ts';
import { note, verb, WrongUse } from './program.ts';
import { tokenVerbs } from './tokens.ts';

interface KeyOptions {
  data?: string;
  passphraseFile?: string;
}

/** `keys list|new|enrolment|server|vkey|command`, `keys token`, and those of kgc.ts. */
export function keyVerbs(program: Command): void {
  const keys = program.command('keys').description('key files of people and servers');
  listVerb(keys);
  newVerb(keys);
  enrolmentVerb(keys);
  serverVerb(keys);
  vkeyVerb(keys);
  commandVerb(keys);
  tokenVerbs(keys);
  kgcVerbs(keys);
  rootVerbs(keys);
  rotateVerb(keys);
}

function keyOptions(command: Command): Command {
  return command
    .option('--data <dir>', 'folder in which people/ lies [COUNTERSIGN_DATA]')
    .option('--passphrase-file <file>', 'file with the passphrase that seals the key [COUNTERSIGN_PASSPHRASE_FILE]');
}

function dataOf(options: KeyOptions): string {
  const data = options.data ?? process.env.COUNTERSIGN_DATA;
  if (!data) throw new WrongUse('say in which folder: --data DIR');
  return data;
}

function newVerb(keys: Command): void {
  const command = keyOptions(
    keys.command('new <name>').description('make a key for a person; nothing is on the record yet'),
  );
  verb(command, async (name: string, options: KeyOptions) => {
    const folder = peopleFolder(dataOf(options));
    const passphrase = await findPassphrase({ file: options.passphraseFile });
    const key = await createPerson(folder, name, passphrase);
    const publicKey = hex(key.publicKey);
    if (passphrase === undefined)
      note('The key lies open in its file, with mode 0600 alone. --passphrase-file seals one.');
    const json = { name, file: join(folder, `${name}.key`), publicKey, sealed: passphrase !== undefined };
    return {
      json,
      text: `${json.file}\npublic key ${publicKey}\nnext: an operator runs  countersign people add ${name} --role … --key ${publicKey}`,
    };
  });
}

interface EnrolmentOptions extends KeyOptions {
  role: PersonRole[];
  origin: string;
  out: string;
}

function enrolmentVerb(keys: Command): void {
  const command = keyOptions(
    keys.command('enrolment <name>').description("sign a person's own enrolment, for the first block of a new ledger"),
  )
    .addOption(new Option('--role <roles...>', 'what the person may sign').choices(PERSON_ROLES).makeOptionMandatory())
    .requiredOption('--origin <name>', 'origin of the ledger that is to be')
    .requiredOption('-o, --out <file>', 'file for `up --person-file`');
  verb(command, async (name: string, options: EnrolmentOptions) => {
    const passphrase = await findPassphrase({ file: options.passphraseFile });
    const key = await loadPerson(peopleFolder(dataOf(options)), name, passphrase);
    const statement = await signEnrolment(nodeVerifier(), options.origin, { name, roles: options.role }, key);
    await makeFolder(dirname(options.out));
    await writeFile(options.out, statement);
    return { json: { name, roles: options.role, origin: options.origin, file: options.out }, text: options.out };
  });
}

function serverVerb(keys: Command): void {
  const command = keyOptions(
    keys
      .command('server')
      .description('make the keys of one server, peer or root signer if there are none, and print the public ones'),
  )
    .argument('<server>', KEY_HOLDERS.join(', '))
    .option('--next', 'make the next key of each role beside the present one, for a trust root to come')
    .option('--role <roles...>', 'with --next: of these roles alone');
  verb(command, async (name: string, options: KeyOptions & { next?: boolean; role?: string[] }) => {
    const server = KEY_HOLDERS.find((item) => item === name);
    if (!server) throw new WrongUse(`${name} is no server: ${KEY_HOLDERS.join(', ')}`);
    const passphrase = await findPassphrase({ file: options.passphraseFile });
    const ring = await openServerKeys(dataOf(options), server, { create: !options.next, passphrase });
    const shown = options.next
      ? preparedKeys(server, await ring.prepare(rolesOf(server, options.role)))
      : serverKeys(server, ring);
    return { json: shown, text: JSON.stringify(shown, null, 2) };
  });
}

function rolesOf(server: KeyHolder, names: readonly string[] = SERVER_ROLES[server]): Role[] {
  return names.map((name) => {
    const role = SERVER_ROLES[server].find((item) => item === name);
    if (!role) throw new WrongUse(`${name} is no role of ${server}: ${SERVER_ROLES[server].join(', ')}`);
    return role;
  });
}

interface VkeyOptions {
  policy?: boolean;
  url?: string;
}

/** The keys that other people's tools for transparency logs ask for. Nothing is asked of a server. */
function vkeyVerb(keys: Command): void {
  const command = keys
    .command('vkey <trust-root>')
    .description("the log's and the peers' keys of a trust root as auditors of logs write them")
    .option('--policy', 'print a policy that demands the cosignatures that the trust root demands')
    .option('--url <url>', "the log's address, for the policy");
  verb(command, async (file: string, options: VkeyOptions) => {
    const verifier = nodeVerifier();
    const { root } = openRoot(verifier, await readInput(file));
    const { log, peers } = auditKeys(verifier.sha256, root);
    demand(log.length > 0, 'UNSUPPORTED', `the trust root of ${root.origin} has no key that can stand in a note`);
    const policy = policyText(verifier.sha256, root, options.url);
    const json = { origin: root.origin, log: log.map(encodeVkey), peers: peers.map(encodeVkey), policy };
    return { json, text: options.policy ? policy : [...json.log, ...json.peers].join('\n') };
  });
}
