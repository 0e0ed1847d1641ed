/** What processes beside the servers have in common: a folder of their own, bundles, an end by signal. */
import { join } from 'node:path';
import { codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import { lock } from '../../ledger/embedded/lock.ts';
import { makeFolder } from '../../store/durable.ts';
import { note } from './program.ts';

/** A service manager waits for ten seconds and more; whatever has not ended by itself in five, hangs. */
const STOP_MS_MAX = 5_000;

/** One process on a folder; the system lets go of it when the process dies. @throws Refusal LOCKED */
export async function alone<T>(folder: string, what: string, work: () => Promise<T>): Promise<T> {
  await makeFolder(folder, 0o700);
  let release: () => Promise<void>;
  try {
    release = await lock(join(folder, 'lock'));
  } catch (cause) {
    if (codeOf(cause) !== 'LOCKED') throw cause;
    throw new Refusal('LOCKED', `another process runs ${what} in ${folder}`, { cause });
  }
  try {
    return await work();
  } finally {
    await release();
  }
}

/** @throws Refusal NOT_FOUND, MALFORMED, TOO_LARGE, UNSUPPORTED: better said at the start than by every device */
export function openBundles(paths: readonly string[], verifier: Verifier): BundleFile[] {
  return paths.map((path) => new BundleFile(path, verifier.sha256));
}

/** @returns to be called once it has ended by itself */
export function onStop(stop: () => void): () => void {
  let watchdog: NodeJS.Timeout | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      note(`stopping on ${signal}`);
      watchdog = setTimeout(() => process.exit(1), STOP_MS_MAX);
      stop();
    });
  }
  return () => clearTimeout(watchdog);
}
