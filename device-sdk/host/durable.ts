/** Files that are there after a power cut, whole. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Temporary file, fsync, rename, fsync of the folder: after a cut the old content or the new. */
export function replaceFile(path: string, bytes: Uint8Array, mode = 0o600): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** A new name in a folder survives a power cut only when the folder itself is on the disk. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
