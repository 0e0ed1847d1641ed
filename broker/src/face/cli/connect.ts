/** Whom a client verb addresses and who signs: `--server`, `--token`, `--data`, `--as`. */
import { readFile } from 'node:fs/promises';
import { Refusal } from '@countersign/device-sdk';
import type { LoadedKey } from '@countersign/device-sdk/host/key-file';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import type { Command } from 'commander';
import { hasFurtherKeys, listPeopleKeys, loadPerson } from '../../keys/people.ts';
import type { PersonRole } from '../../ledger/contract/args.ts';
import type { PersonView } from '../../ledger/contract/views.ts';
import { apiClient } from '../client/api-client.ts';
import { inPath, openSession, type Session } from '../client/session.ts';
import { readClientToken } from '../up/client-token.ts';
import { readEndpointFile } from '../up/endpoint-file.ts';
import { clientTokenPath, peopleFolder } from '../up/folders.ts';
import { note, WrongUse } from './program.ts';

export interface ServerOptions {
  server?: string;
  token?: string;
  data?: string;
}

export interface PersonOptions extends ServerOptions {
  as?: string;
  keyFile?: string;
  code?: string;
  passphraseFile?: string;
}

export function serverOptions(command: Command): Command {
  return command
    .option('--data <dir>', 'folder of a running `up`, where address, token and keys are found [COUNTERSIGN_DATA]')
    .option('--server <url>', 'address of the server, instead of the one found in --data [COUNTERSIGN_SERVER]')
    .option('--token <token>', 'token of the API, instead of the one found in --data [COUNTERSIGN_TOKEN]');
}

export function personOptions(command: Command): Command {
  return serverOptions(command)
    .option('--as <name>', 'who signs: a key in DIR/people; may be left out where one key alone has the role')
    .option('--key-file <file>', 'the key of the person who signs, where it lies elsewhere')
    .option('--code <digits>', 'one-time code of who signs, where the server asks for one [COUNTERSIGN_CODE]')
    .option('--passphrase-file <file>', 'passphrase of that key [COUNTERSIGN_PASSPHRASE_FILE]');
}

/** @throws WrongUse where nobody is named; Refusal UNREACHABLE, UNAUTHORIZED, BAD_STORE */
export async function connect(options: ServerOptions & { code?: string }): Promise<Session> {
  const { url, token } = await addressOf(options);
  return openSession(apiClient(url, token, options.code ?? process.env.COUNTERSIGN_CODE));
}

/** Where the server is, and the token of its API. @throws WrongUse where nobody is named */
export async function addressOf(options: ServerOptions): Promise<{ url: string; token: string | undefined }> {
  const data = dataFolder(options);
  const url = options.server ?? process.env.COUNTERSIGN_SERVER ?? (data && (await readEndpointFile(data)).url);
  if (!url)
    throw new WrongUse('say which server: --data DIR of a running `countersign up`, or --server URL --token TOKEN');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new WrongUse(`${url} is no http address`);
  const known = options.token ?? process.env.COUNTERSIGN_TOKEN;
  const token = known ?? (data === undefined ? undefined : await readClientToken(clientTokenPath(data)));
  return { url, token };
}

/** The session and the person who signs in it, with one of these roles. */
export async function connectAs(
  options: PersonOptions,
  roles: readonly PersonRole[],
): Promise<{ session: Session; signer: LoadedKey }> {
  const session = await connect(options);
  const passphrase = await findPassphrase({ file: options.passphraseFile });
  if (options.keyFile) return { session, signer: await loadSigner(options.keyFile, passphrase) };
  const data = dataFolder(options);
  if (!data) throw new WrongUse('say who signs: --key-file FILE, or --as NAME with --data DIR');
  const folder = peopleFolder(data);
  const name = options.as ?? (await onlyOneWith(session, folder, roles));
  await checkHasKey(folder, name);
  const inForce = hasFurtherKeys(folder, name) ? (await personNamed(session, name)).publicKey : undefined;
  return { session, signer: await loadPerson(folder, name, passphrase, inForce) };
}

/** @throws Refusal NOT_FOUND */
export async function personNamed({ api }: Session, name: string): Promise<PersonView> {
  return (await api.get(`/api/v1/people/${inPath(name)}`)) as PersonView;
}

/** Where the user's `up` keeps its things, if he says so. */
export function dataFolder(options: ServerOptions): string | undefined {
  return options.data ?? process.env.COUNTERSIGN_DATA;
}

/** Nobody has to say who he is where only one key of the folder may do it; whoever that is, is said aloud. */
async function onlyOneWith({ api }: Session, folder: string, roles: readonly PersonRole[]): Promise<string> {
  const names = await listPeopleKeys(folder);
  const people = (await api.get('/api/v1/people')) as PersonView[];
  const able = people.filter(
    (p) => names.includes(p.name) && p.state === 'active' && p.roles.some((r) => roles.includes(r)),
  );
  const [only, ...others] = able.map(({ name }) => name);
  if (only === undefined) {
    throw new Refusal('NOT_PERMITTED', `no key in ${folder} belongs to a person with the role ${roles.join(' or ')}`);
  }
  if (others.length > 0) throw new WrongUse(`say who signs: --as ${[only, ...others].join(' or --as ')}`);
  note(`signing as ${only}`);
  return only;
}

async function checkHasKey(folder: string, name: string): Promise<void> {
  const names = await listPeopleKeys(folder);
  if (names.includes(name)) return;
  const there = names.length > 0 ? `there are ${names.join(', ')}` : 'it has none';
  throw new Refusal('NOT_FOUND', `no key of ${name} in ${folder}: ${there}`);
}

/** A file named on the command line. @throws Refusal NOT_FOUND */
export async function readInput(path: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (cause) {
    const why = READ_FAILURES[(cause as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read';
    throw new Refusal('NOT_FOUND', `${path} ${why}`, { cause });
  }
}

/** Files of components, by id. @throws Refusal NOT_FOUND */
export async function readComponents(files: Record<string, string> = {}): Promise<Record<string, Uint8Array>> {
  const read = Object.entries(files).map(async ([id, path]) => [id, await readInput(path)] as const);
  return Object.fromEntries(await Promise.all(read));
}

const READ_FAILURES: Partial<Record<string, string>> = {
  ENOENT: 'is not there',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read by this user',
};

/** The next command, ready to be copied: called as this one was, and with the same server. */
export function nextCommand(options: ServerOptions, words: string): string {
  return [commandName(), words, ...addressWords(options)].join(' ');
}

/** Called by `npx`, the command is on nobody's path. */
function commandName(): string {
  return process.env.npm_command === 'exec' ? 'npx countersign' : 'countersign';
}

/** What stands in the environment stands there for the next command, too; a token is never repeated. */
function addressWords({ data, server }: ServerOptions): string[] {
  return [
    ...(server === undefined ? [] : ['--server', quoted(server)]),
    ...(data === undefined ? [] : ['--data', quoted(data)]),
  ];
}

function quoted(word: string): string {
  return /^[\w./:@%+=~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
