/**
 * bsdiff-node in a process of its own. It is native code that ends its whole process on some inputs and takes minutes
 * on padded images, so nothing of it is ever loaded where a server or a command runs.
 */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf } from '@countersign/device-sdk';
import type { Copy } from './align.ts';
import { copiesOfBsdiff40 } from './bsdiff40/index.ts';

/** 8 MB take three seconds; whatever needs a minute is padding on which its sort crawls. */
const CHILD_MS_MAX = 60_000;
/** What the child says when the package is not installed or not built for this Node. */
export const ABSENT_EXIT = 3;

export interface BsdiffOptions {
  /** @default 60 seconds */
  timeoutMs?: number;
  /** Hears in one sentence why there is no result. */
  note?: (text: string) => void;
}

/**
 * The alignment that bsdiff-node finds, as a candidate for our encoder.
 * @returns undefined, after a note, where the package is absent, fails or takes too long
 */
export async function bsdiffCopies(
  old: Uint8Array,
  fresh: Uint8Array,
  options: BsdiffOptions = {},
): Promise<Copy[] | undefined> {
  const patch = await bsdiffPatch(old, fresh, options);
  if (!patch) return undefined;
  try {
    return copiesOfBsdiff40(patch, old.length);
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    options.note?.(`bsdiff-node wrote a patch that does not hold: ${(error as Error).message}`);
    return undefined;
  }
}

/** The patch itself. @returns undefined as {@link bsdiffCopies} */
export async function bsdiffPatch(
  old: Uint8Array,
  fresh: Uint8Array,
  { timeoutMs = CHILD_MS_MAX, note }: BsdiffOptions = {},
): Promise<Uint8Array | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bsdiff-'));
  const forget = onEnd(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const [oldPath, newPath, patchPath] = ['old', 'new', 'patch'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await Promise.all([writeFile(oldPath, old), writeFile(newPath, fresh)]);
    const reason = await run([oldPath, newPath, patchPath], timeoutMs);
    if (reason === undefined) return new Uint8Array(await readFile(patchPath));
    note?.(reason);
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
    forget();
  }
}

/**
 * Ctrl-C must not leave two firmware images behind in the folder of temporary files. Whoever else listens to the signal
 * decides whether the process ends.
 */
function onEnd(clean: () => void): () => void {
  const ended = (signal: NodeJS.Signals) => {
    clean();
    forget();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  const forget = () => {
    process.off('exit', clean).off('SIGINT', ended).off('SIGTERM', ended);
  };
  process.on('exit', clean).on('SIGINT', ended).on('SIGTERM', ended);
  return forget;
}

/** @returns why it failed; undefined where it did not */
function run(paths: readonly string[], timeoutMs: number): Promise<string | undefined> {
  const script = fileURLToPath(new URL('./bsdiff-child-main.js', import.meta.url));
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' as const };
    execFile(process.execPath, [script, ...paths], options, (error, _stdout, stderr) => {
      if (!error) return resolve(undefined);
      if (error.code === ABSENT_EXIT) return resolve('bsdiff-node is not installed, or not built for this Node');
      if (error.killed) return resolve(`bsdiff-node took longer than ${timeoutMs / 1000} s and was stopped`);
      resolve(`bsdiff-node failed (${error.signal ?? error.code}): ${stderr.trim().split('\n')[0] ?? ''}`);
    });
  });
}
