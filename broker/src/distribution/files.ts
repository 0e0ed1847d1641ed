import { readFile } from 'node:fs/promises';
import { Refusal } from '@countersign/device-sdk';

/** A file's bytes, undefined where there is none. @throws Refusal BAD_STORE */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
}
