/** People's keys: the same files, under the name by which the ledger knows the person. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { createKey, keyFileInfo, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';

/** @throws Refusal EXISTS, BAD_REQUEST for a name that is no name */
export async function createPerson(folder: string, name: string, passphrase?: string): Promise<LoadedKey> {
  return createKey(pathOf(folder, name), 'person', { name, passphrase });
}

/**
 * @param inForce the person's public key on the record, hex: of several keys the one that counts
 * @throws Refusal BAD_STORE, BAD_REQUEST; NOT_FOUND where none of the keys here is the one in force
 */
export async function loadPerson(
  folder: string,
  name: string,
  passphrase?: string,
  inForce?: string,
): Promise<LoadedKey> {
  const path = inForce === undefined ? pathOf(folder, name) : await pathOfKey(folder, name, inForce);
  const key = await loadSigner(path, passphrase);
  demand(key.role === 'person' && key.name === name, 'BAD_STORE', `${path} is not ${name}'s key`);
  return key;
}

/**
 * The next key of a person who has one here, beside it: `<name>.keys/2.key` and so on. None is replaced, so a proposal that
 * nobody approves, or a crash, costs nothing. A key that was made before and is not in force yet is taken again.
 * @param inForce the person's public key on the record, hex
 * @throws Refusal BAD_REQUEST, BAD_STORE
 */
export async function nextPersonKey(
  folder: string,
  name: string,
  inForce: string,
  passphrase?: string,
): Promise<LoadedKey & { path: string }> {
  const paths = keysOf(folder, name);
  const last = paths.at(-1)!;
  const waiting = paths.length > 1 && hex((await keyFileInfo(last)).publicKey) !== inForce;
  const path = waiting ? last : join(furtherOf(folder, name), `${paths.length + 1}.key`);
  const key = waiting ? await loadSigner(last, passphrase) : await createKey(path, 'person', { name, passphrase });
  demand(key.role === 'person' && key.name === name, 'BAD_STORE', `${path} is not ${name}'s key`);
  return { ...key, path };
}

/** Whether a person has more than one key here, so that the record must say which one counts. */
export function hasFurtherKeys(folder: string, name: string): boolean {
  return keysOf(folder, name).length > 1;
}

async function pathOfKey(folder: string, name: string, inForce: string): Promise<string> {
  const paths = keysOf(folder, name);
  for (const path of paths) {
    if (existsSync(path) && hex((await keyFileInfo(path)).publicKey) === inForce) return path;
  }
  throw new Refusal('NOT_FOUND', `none of the keys of ${name} in ${folder} is the one on the record`);
}

/** The first key, there or not, and those beside it. */
function keysOf(folder: string, name: string): string[] {
  const paths = [pathOf(folder, name)];
  for (;;) {
    const path = join(furtherOf(folder, name), `${paths.length + 1}.key`);
    if (!existsSync(path)) return paths;
    paths.push(path);
  }
}

/** No name of a key file: those end with `.key`. */
function furtherOf(folder: string, name: string): string {
  return pathOf(folder, name).replace(/\.key$/, '.keys');
}

/** Names of the people whose key files lie in a folder. */
export async function listPeopleKeys(folder: string): Promise<string[]> {
  try {
    const files = await readdir(folder);
    return files.filter((file) => NAME.test(file.slice(0, -4)) && file.endsWith('.key')).map((f) => f.slice(0, -4));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Refusal('BAD_STORE', `${folder} cannot be read`, { cause });
  }
}

/** The contract's rule for names; no separator passes, so a name never leaves the folder. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

function pathOf(folder: string, name: string): string {
  demand(NAME.test(name), 'BAD_REQUEST', `${name.slice(0, 64)}: a name is lower-case letters, digits, dot, dash, _`);
  return join(folder, `${name}.key`);
}
