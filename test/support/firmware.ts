import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shared } from './repository.ts';

export interface Pair {
  name: string;
  old: Uint8Array;
  fresh: Uint8Array;
}

/** Two published releases of one firmware; undefined where the outside folder is not beside this checkout. */
export function firmwarePair(name: string): Pair | undefined {
  const folder = shared('firmware');
  if (folder === undefined || !existsSync(join(folder, name))) return undefined;
  const read = (file: string) => new Uint8Array(readFileSync(join(folder, name, file)));
  return { name, old: read('old.bin'), fresh: read('new.bin') };
}
