/** Secrets at rest: files that nobody but their owner may read. */
import { type FileHandle, open } from 'node:fs/promises';
import { demand, Refusal } from '../src/errors.ts';

/** Largest secret file: a key file has under 1 KB. */
const SECRET_BYTES_MAX = 16_384;

export interface SecretFileOptions {
  /**
   * In the folder of a service manager, which shows it to one service alone: root's file may be readable by its group
   * there, because that is how systemd (254 and later) gives it to a service with a user of its own.
   */
  credential?: boolean;
}

/**
 * Reads a file that holds a secret. Permissions are asked of the open file, so that it cannot be exchanged between
 * the question and the reading.
 * @throws Refusal BAD_STORE where it is missing, too large, or where group or others have any right on it
 */
export async function readSecretFile(path: string, { credential }: SecretFileOptions = {}): Promise<Uint8Array> {
  const file = await openSecret(path);
  try {
    const { mode, size, uid } = await file.stat();
    // Windows has no such bits: its access lists are the administrator's to set.
    const forbidden = credential && uid === 0 ? 0o037 : 0o077;
    const open = process.platform !== 'win32' && (mode & forbidden) !== 0;
    demand(!open, 'BAD_STORE', `${path} is open to others (mode ${(mode & 0o777).toString(8)}): run chmod 600 on it`);
    const own = process.getuid === undefined || uid === process.getuid() || uid === 0;
    demand(own, 'BAD_STORE', `${path} belongs to another user, who could exchange it`);
    demand(size <= SECRET_BYTES_MAX, 'BAD_STORE', `${path} has ${size} bytes, at most ${SECRET_BYTES_MAX}`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function openSecret(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} cannot be opened`, { cause });
  }
}
