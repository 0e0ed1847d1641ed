import { join } from 'node:path';
import { demand } from '../src/errors.ts';
import { readSecretFile } from './secret-file.ts';

/** The name of the credential that a service manager hands over in its folder (systemd's LoadCredential). */
export const CREDENTIAL_NAME = 'countersign-passphrase';

export interface PassphraseSources {
  /** A file named by the user. */
  file?: string | undefined;
  env?: Readonly<Record<string, string | undefined>>;
}

/** The folder in which a service manager hands over credentials, where this process is told to look there. */
export function credentialsFolder(env: PassphraseSources['env'] = process.env): string | undefined {
  return env.COUNTERSIGN_CREDENTIAL === '1' ? env.CREDENTIALS_DIRECTORY : undefined;
}

/**
 * The passphrase of the key files, from the first of: the file named by the user, `COUNTERSIGN_PASSPHRASE_FILE`, the
 * service manager's credential where `COUNTERSIGN_CREDENTIAL` is 1, `COUNTERSIGN_PASSPHRASE`. Undefined where none is
 * given. There is no option that takes the words themselves: arguments are visible to every user of a machine.
 * @throws Refusal BAD_STORE for a file that is missing, empty or open to others
 */
export async function findPassphrase({ file, env = process.env }: PassphraseSources = {}): Promise<string | undefined> {
  const folder = credentialsFolder(env);
  const named = file ?? env.COUNTERSIGN_PASSPHRASE_FILE;
  const path = named ?? (folder && join(folder, CREDENTIAL_NAME));
  if (path === undefined) return env.COUNTERSIGN_PASSPHRASE || undefined;
  const bytes = await readSecretFile(path, { credential: named === undefined });
  const words = new TextDecoder().decode(bytes).replace(/\r?\n$/, '');
  demand(words.length > 0, 'BAD_STORE', `${path} holds no passphrase`);
  return words;
}
