/** `keys list`: every key, what it is for, where it is, and what would break without it. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ALG_ED25519, ALG_ESP256, hex, kidOf, type PublicKey } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { type KeyFileInfo, keyFileInfo } from '@countersign/device-sdk/host/key-file';
import { credentialsFolder } from '@countersign/device-sdk/host/passphrase';
import type { Command } from 'commander';
import { KEY_KINDS, type KeyKind } from '../client/key-kinds.ts';
import { askKeys, type Installation, keyRows } from '../client/key-list.ts';
import type { KeyInFolder, KeyRow } from '../client/key-row.ts';
import { endpointPath, KEY_HOLDERS, keysFolder, peopleFolder } from '../up/folders.ts';
import { kgcKeyPath } from '../up/kgc.ts';
import { connect, dataFolder, type ServerOptions, serverOptions } from './connect.ts';
import { note, type Outcome, verb, WrongUse } from './program.ts';
import { table, timeText } from './table.ts';

interface ListOptions extends ServerOptions {
  devices?: boolean;
  offline?: boolean;
}

export function listVerb(keys: Command): void {
  const command = serverOptions(
    keys.command('list').description('every key: its role, where it is, when it was last used, what needs it'),
  )
    .option('--devices', "devices' keys too")
    .option('--offline', 'the files of --data alone; ask no server')
    .option('--passphrase-file <file>', 'not needed any more: public keys stand open in their files');
  verb(command, async (options: ListOptions): Promise<Outcome> => {
    const data = dataFolder(options);
    const server = options.server ?? process.env.COUNTERSIGN_SERVER;
    if (!data && !server) throw new WrongUse('say in which folder, or of which server: --data DIR, --server URL');
    const folder = data ? await keysIn(data) : [];
    const installation = await asked(options, server !== undefined || (data ? existsSync(endpointPath(data)) : false));
    const rows = keyRows(nodeVerifier().sha256, folder, installation).sort(byKind);
    return { json: rows, text: textOf(rows) };
  });
}

async function asked(options: ListOptions, known: boolean): Promise<Installation | undefined> {
  if (options.offline || !known) {
    note('no server was asked: what is in force, and when it was used, is not known');
    return undefined;
  }
  return askKeys(await connect(options), options.devices === true);
}

/** Every key file of a data folder, and the keys that the service manager hands over. @throws Refusal BAD_STORE */
async function keysIn(data: string): Promise<KeyInFolder[]> {
  const centre = dirname(kgcKeyPath(data));
  const folders = [...KEY_HOLDERS.map((holder) => keysFolder(data, holder)), centre];
  const people = peopleFolder(data);
  // Next and former keys of a person lie in a folder beside the first one.
  const further = existsSync(people) ? (await readdir(people)).filter((name) => name.endsWith('.keys')).sort() : [];
  const all = [...folders, people, ...further.map((name) => join(people, name))];
  const own = await Promise.all(all.map((folder) => keyFiles(folder)));
  const credentials = credentialsFolder();
  const handed = credentials === undefined ? [] : await keyFiles(credentials, true);
  return [...own.flat(), ...handed];
}

async function keyFiles(folder: string, credential = false): Promise<KeyInFolder[]> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith('.key')).sort() : [];
  return Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      return inFolder(file, await keyFileInfo(file, { credential }), credential);
    }),
  );
}

function inFolder(file: string, info: KeyFileInfo, credential: boolean): KeyInFolder {
  const { role, name = null, epoch, alg, publicKey, kept } = info;
  const key = { alg, bytes: publicKey };
  const issued = epoch === undefined ? undefined : { epoch, centre: centreOf(key) };
  return { kind: role, name, file, kept: credential ? 'credential' : kept, key, issued };
}

/** The centre's key is the end of an issued one. */
function centreOf({ alg, bytes }: PublicKey): string {
  return hex(kidOf(nodeVerifier().sha256, { alg, bytes: bytes.slice(-CENTRE_BYTES) }));
}

/** An uncompressed point on P-256. */
const CENTRE_BYTES = 65;

const ORDER = Object.keys(KEY_KINDS);

function byKind(a: KeyRow, b: KeyRow): number {
  const order = (kind: KeyKind) => ORDER.indexOf(kind);
  const byName = (a.name ?? '').localeCompare(b.name ?? '');
  return order(a.kind) - order(b.kind) || byName || (a.epoch ?? 0) - (b.epoch ?? 0);
}

const ALGS = new Map([
  [ALG_ED25519, 'Ed25519'],
  [ALG_ESP256, 'P-256'],
]);

function textOf(rows: readonly KeyRow[]): string {
  const head = ['key', 'name', 'state', 'algorithm', 'kid', 'named by', 'where', 'last used', 'public key'];
  const cells = rows.map((row) => [
    row.kind,
    nameText(row),
    row.state,
    row.alg === null ? null : (ALGS.get(row.alg) ?? String(row.alg)),
    row.kid,
    row.namedBy,
    row.file === null ? 'not here' : `${row.file} (${row.kept})`,
    usedText(row),
    row.publicKey,
  ]);
  const kinds = ORDER.filter((kind) => rows.some((row) => row.kind === kind));
  const needed = kinds.map((kind) => [kind, KEY_KINDS[kind as KeyKind].without]);
  return `${table(head, cells)}\n\n${table(['key', 'without it'], needed)}`;
}

function nameText({ name, epoch, centre }: KeyRow): string | null {
  return epoch === null ? name : `${name}, epoch ${epoch}, of centre ${centre}`;
}

function usedText({ lastUsed, lastUsedFrom }: KeyRow): string {
  if (lastUsed === null) return `? ${lastUsedFrom}`;
  return lastUsed.entry === null ? timeText(lastUsed.time) : `${timeText(lastUsed.time)}, entry ${lastUsed.entry}`;
}
