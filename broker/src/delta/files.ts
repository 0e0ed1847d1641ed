/** Files of the delta verbs: looked at before minutes of work, not after them. */
import { access, constants, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
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
  await access(path, constants.R_OK).catch(refuse(`cannot read ${path}`));
  return found.size;
}

/**
 * A result may replace what had its name, but not what it is made from: a delta over its own old image loses the image.
 * @throws Refusal BAD_REQUEST
 */
export async function checkResult(path: string, inputs: readonly string[]): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  demand(folder?.isDirectory(), 'BAD_REQUEST', `there is no folder for ${path}`);
  await access(dirname(path), constants.W_OK).catch(refuse(`cannot write ${path}`));
  const there = await stat(path).catch(() => undefined);
  if (!there) return;
  demand(!there.isDirectory(), 'BAD_REQUEST', `${path} is a folder`);
  for (const input of inputs) {
    const { dev, ino } = await stat(input);
    demand(
      dev !== there.dev || ino !== there.ino,
      'BAD_REQUEST',
      `the result would replace ${input}: name another file`,
    );
  }
}

/** A disk that is full, or a folder that closed meanwhile, is no fault of ours. @throws Refusal BAD_REQUEST */
export async function writing<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    return refuse(`cannot write ${path}`)(cause);
  }
}

/** What the system says in a word becomes its sentence; whatever else was thrown goes on as it is. */
function refuse(what: string): (cause: unknown) => never {
  return (cause) => {
    const { errno } = cause as NodeJS.ErrnoException;
    const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined;
    if (!known) throw cause;
    throw new Refusal('BAD_REQUEST', `${what}: ${known[1]}`, { cause });
  };
}
