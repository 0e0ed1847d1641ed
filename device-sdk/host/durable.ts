/** Files that are there after a power cut, whole. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Refusal } from '../src/errors.ts';

/** Of files that are being written; one that lies there at a start is left by a cut. */
export const TEMPORARY_SUFFIX = '.new';

/** Temporary file, fsync, rename, fsync of the folder: after a cut the old content or the new. */
export function replaceFile(path: string, bytes: Uint8Array, mode = 0o600): void {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  writeFlushed(temporary, bytes, mode);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** The same for a name that must be free: a hard link fails where it is taken. @throws Refusal EXISTS */
export function placeFile(path: string, bytes: Uint8Array, mode = 0o600): void {
  // Two who want one name at one moment must not share the temporary one.
  const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`;
  writeFlushed(temporary, bytes, mode);
  try {
    linkSync(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new Refusal('EXISTS', `${path} exists already`, { cause });
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(path));
}

/** Makes a folder of one user and those above it; each folder that gained a name is flushed. */
export function makeFolder(path: string): void {
  // Not by mkdir's own recursion: on a file system that makes no folders and says ENOENT (/proc) Node 20 never ends it.
  const last = resolve(path);
  const missing: string[] = [];
  for (let folder = last; !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  const made = missing.length === 0 ? [last] : missing;
  for (const folder of made) makeOne(folder);
  for (const folder of made.reverse()) syncFolder(dirname(folder));
}

/** A folder that is there, made by another process a moment ago perhaps, is as good. */
function makeOne(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** A new name in a folder survives a power cut only when the folder itself is on the disk. */
export function syncFolder(folder: string): void {
  // Windows has no way to flush a folder; its rename is journaled by NTFS.
  if (process.platform === 'win32') return;
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file of that name may be left by a cut, with other permissions: it is made anew. */
function writeFlushed(path: string, bytes: Uint8Array, mode: number): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'wx', mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
