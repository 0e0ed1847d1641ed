/** A flash region on a block device: a partition of a gateway's disk, eMMC or SD card as a slot. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { demand, Refusal } from '../src/errors.ts';
import { FdFlash, type FlushOptions } from './fd-flash.ts';

export interface BlockFlashOptions extends FlushOptions {
  /** Use the start of the device only. Default: as many whole erase blocks as it has. */
  bytes?: number;
  /**
   * Default 4096, a multiple of every common sector size: a smaller write makes the kernel write its neighbours again,
   * and a cut in the middle of that may cost bytes that were there before.
   */
  writeBytes?: number;
  /** Default 64 KB: how much is written again after a cut. */
  eraseBytes?: number;
}

/**
 * Opens a partition for this process alone: the kernel refuses one that is mounted, and a second one that asks so.
 * @throws Refusal LOCKED (mounted, or in use), BAD_STORE (no block device, or too small), FLASH_FAULT
 */
export class BlockFlash extends FdFlash {
  constructor(path: string, options: BlockFlashOptions = {}) {
    const { writeBytes = 4096, eraseBytes = 65_536 } = options;
    if (eraseBytes % writeBytes !== 0) throw new RangeError('an erase block is a whole number of write units');
    const fd = openAlone(path);
    try {
      const size = deviceBytes(fd);
      const bytes = options.bytes ?? size - (size % eraseBytes);
      if (bytes % eraseBytes !== 0) throw new RangeError('a region is a whole number of erase blocks');
      demand(bytes > 0 && bytes <= size, 'BAD_STORE', `${path} has ${size} bytes, ${bytes} are wanted`);
      super(fd, { bytes, writeBytes, eraseBytes }, options);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/** O_EXCL without O_CREAT is the kernel's claim on a block device; on anything else it means nothing. */
function openAlone(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_EXCL);
  } catch (cause) {
    const busy = (cause as NodeJS.ErrnoException).code === 'EBUSY';
    throw new Refusal(busy ? 'LOCKED' : 'BAD_STORE', `${path} ${busy ? 'is in use' : 'cannot be opened'}`, { cause });
  }
  if (fstatSync(fd).isBlockDevice()) return fd;
  closeSync(fd);
  throw new Refusal('BAD_STORE', `${path} is no block device`);
}

/** The size is where reading ends: a block device tells none in its inode, and Node has no seek. */
function deviceBytes(fd: number): number {
  const byte = new Uint8Array(1);
  const has = (at: number) => readSync(fd, byte, 0, 1, at) === 1;
  let end = 1;
  while (end < 2 ** 52 && has(end)) end *= 2;
  let known = 0;
  while (known < end) {
    const middle = Math.floor((known + end) / 2);
    if (has(middle)) known = middle + 1;
    else end = middle;
  }
  return known;
}
