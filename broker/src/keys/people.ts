/** People's keys: the same files, under the name by which the ledger knows the person. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { createKey, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';

/** @throws Refusal EXISTS, BAD_REQUEST for a name that is no name */
export async function createPerson(folder: string, name: string, passphrase?: string): Promise<LoadedKey> {
  return createKey(pathOf(folder, name), 'person', { name, passphrase });
}

/** @throws Refusal BAD_STORE, BAD_REQUEST */
export async function loadPerson(folder: string, name: string, passphrase?: string): Promise<LoadedKey> {
  const path = pathOf(folder, name);
  const key = await loadSigner(path, passphrase);
  demand(key.role === 'person' && key.name === name, 'BAD_STORE', `${path} is not ${name}'s key`);
  return key;
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
