/**
 * One writer per folder. The lock is LevelDB's own on an empty database: the operating system holds it and lets go
 * when the process dies, so a SIGKILL leaves nothing that somebody has to remove.
 */
import { Refusal } from '@countersign/device-sdk';
import { ClassicLevel } from 'classic-level';

/** @throws Refusal LOCKED while another process, or this one, has it */
export async function lock(folder: string): Promise<() => Promise<void>> {
  const database = new ClassicLevel(folder);
  try {
    await database.open();
  } catch (cause) {
    if (isLocked(cause)) throw new Refusal('LOCKED', `another process writes the ledger beside ${folder}`, { cause });
    throw new Refusal('BAD_STORE', `the lock ${folder} cannot be taken`, { cause });
  }
  return () => database.close();
}

function isLocked(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return code === 'LEVEL_LOCKED' || (cause !== undefined && isLocked(cause));
}
