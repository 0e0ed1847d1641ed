/**
 * DIR/client-token: the token in clear, mode 0600, so that commands of the same user find it. The server itself never
 * reads it. Whoever can read this folder can read the people's keys too; where that is not wanted, the file is moved
 * to where the command runs.
 */
import { dirname } from 'node:path';
import { codeOf } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import { makeFolder, writeDurable } from '../../store/durable.ts';

export async function writeClientToken(path: string, token: string): Promise<void> {
  await makeFolder(dirname(path), 0o700);
  await writeDurable(path, utf8(`${token}\n`), { mode: 0o600 });
}

/** @throws Refusal BAD_STORE where others may read it; undefined where there is none */
export async function readClientToken(path: string): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await readSecretFile(path)).trim();
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (codeOf(error) === 'BAD_STORE' && cause?.code === 'ENOENT') return undefined;
    throw error;
  }
}
