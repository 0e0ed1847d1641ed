/** Files of the delta verbs: looked at before minutes of work, not after them. */
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX } from '@countersign/device-sdk/delta';

/** @throws Refusal NOT_FOUND, BAD_REQUEST, TOO_LARGE */
export async function readBounded(path: string): Promise<Uint8Array> {
  const bytes = await checkReadable(path);
  demand(bytes <= IMAGE_BYTES_MAX, 'TOO_LARGE', `${path} has ${bytes} bytes`);
  return new Uint8Array(await readFile(path));
}

/** @returns its size @throws Refusal NOT_FOUND, BAD_REQUEST */
export async function checkReadable(path: string): Promise<number> {
  const found = await stat(path).catch((cause) => {
    throw new Refusal('NOT_FOUND', `cannot read ${path}`, { cause });
  });
  demand(found.isFile(), 'BAD_REQUEST', `${path} is not a file`);
  return found.size;
}

/** @throws Refusal BAD_REQUEST */
export async function checkFolder(path: string): Promise<void> {
  const found = await stat(dirname(path)).catch(() => undefined);
  demand(found?.isDirectory(), 'BAD_REQUEST', `there is no folder for ${path}`);
}
