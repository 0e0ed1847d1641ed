/** A flash region in a file: for gateways on Linux, and for trying the SDK with real files and real fsync. */
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { Refusal } from '../src/errors.ts';
import { syncFolder } from './durable.ts';
import { FdFlash, type FlushOptions, fillErased } from './fd-flash.ts';

export interface FileFlashOptions extends FlushOptions {
  /** Size of the region; a multiple of `eraseBytes`. */
  bytes: number;
  /** Default 1: a file takes any write. */
  writeBytes?: number;
  /** Default 4096, the block of common file systems. */
  eraseBytes?: number;
}

/**
 * A file of fixed size; made, erased, where it is not there.
 * @throws Refusal BAD_STORE for a file of another size; FLASH_FAULT when the disk refuses an operation
 */
export class FileFlash extends FdFlash {
  constructor(path: string, options: FileFlashOptions) {
    const { bytes, writeBytes = 1, eraseBytes = 4096 } = options;
    if (bytes % eraseBytes !== 0) throw new RangeError('a region is a whole number of erase blocks');
    if (!existsSync(path)) makeErased(path, bytes);
    const fd = openSync(path, 'r+');
    super(fd, { bytes, writeBytes, eraseBytes }, options);
    const { size } = fstatSync(fd);
    if (size === bytes) return;
    closeSync(fd);
    throw new Refusal('BAD_STORE', `${path} has ${size} bytes, expected ${bytes}`);
  }
}

/** Under another name first: a cut in the middle would leave a file of another size, which nobody dares to mend. */
function makeErased(path: string, bytes: number): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    fillErased(fd, 0, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}
