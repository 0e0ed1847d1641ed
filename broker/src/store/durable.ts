/** Files that are there after a power cut, whole or not at all. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Refusal } from '@countersign/device-sdk';

export interface DurableOptions {
  /** Permissions of the file. */
  mode?: number;
  /** Refuse to replace a file of that name. */
  exclusive?: boolean;
}

/** What the temporary name of an unfinished write begins with; one left behind by a crash is nobody's. */
export const TEMPORARY_PREFIX = '.tmp-';

/**
 * Writes a file through a temporary one: write, fsync, rename, fsync of the folder. A crash before the rename leaves
 * the former file, after it the new one; before the last fsync either, and the caller has not been answered yet.
 * @throws Refusal EXISTS where `exclusive` and the name is taken
 */
export async function writeDurable(path: string, bytes: Uint8Array, options: DurableOptions = {}): Promise<void> {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${basename(path)}-${randomBytes(6).toString('hex')}`);
  try {
    await withFile(temporary, 'wx', options.mode ?? 0o644, async (file) => {
      await file.writeFile(bytes);
      await file.sync();
    });
    if (options.exclusive) await place(temporary, path);
    else await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Flushes a file that is already in place, and its name. */
export async function flush(path: string): Promise<void> {
  await withFile(path, 'r', 0, (file) => file.sync());
  await syncFolder(dirname(path));
}

/** Makes a folder and those above it; each folder that gained a name is flushed. */
export async function makeFolder(path: string, mode = 0o755): Promise<void> {
  // Not by mkdir's own recursion: on a file system that makes no folders and says ENOENT (/proc) Node 20 never ends it.
  const last = resolve(path);
  const missing: string[] = [];
  for (let folder = last; !(await isThere(folder)); folder = dirname(folder)) missing.unshift(folder);
  const made = missing.length === 0 ? [last] : missing;
  for (const folder of made) await makeOne(folder, mode);
  for (const folder of made.reverse()) await syncFolder(dirname(folder));
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A folder that is there, made by another process a moment ago perhaps, is as good. */
async function makeOne(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}

/** A hard link fails where the name is taken; rename would replace it, and a check before it would be a race. */
async function place(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new Refusal('EXISTS', `${path} exists already`, { cause });
  }
  await unlink(temporary);
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no way to flush a folder; its rename is journaled by NTFS.
  if (process.platform === 'win32') return;
  await withFile(path, 'r', 0, (folder) => folder.sync());
}

async function withFile(path: string, flags: string, mode: number, use: (file: FileHandle) => Promise<void>) {
  const file = await open(path, flags, mode);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
