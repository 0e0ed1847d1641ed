/** A flash region in a file: for gateways on Linux, and for trying the SDK with real files and real fsync. */
import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Refusal } from '../src/errors.ts';
import type { Flash } from '../src/ports.ts';
import { syncFolder } from './durable.ts';

export interface FileFlashOptions {
  /** Size of the region; a multiple of `eraseBytes`. */
  bytes: number;
  /** Default 1: a file takes any write. */
  writeBytes?: number;
  /** Default 4096, the block of common file systems. */
  eraseBytes?: number;
}

/**
 * Every write and erase is on the disk (fdatasync) when it returns: the journal's order of commitment rests on that.
 * @throws Refusal BAD_STORE for a file of another size; FLASH_FAULT when the disk refuses an operation
 */
export class FileFlash implements Flash {
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
  readonly #fd: number;

  constructor(path: string, options: FileFlashOptions) {
    this.bytes = options.bytes;
    this.writeBytes = options.writeBytes ?? 1;
    this.eraseBytes = options.eraseBytes ?? 4096;
    if (this.bytes % this.eraseBytes !== 0) throw new RangeError('a region is a whole number of erase blocks');
    const isNew = !existsSync(path);
    this.#fd = openSync(path, isNew ? 'wx+' : 'r+', 0o600);
    if (isNew) {
      this.erase(0, this.bytes);
      syncFolder(dirname(path));
    }
    const { size } = fstatSync(this.#fd);
    if (size !== this.bytes) throw new Refusal('BAD_STORE', `${path} has ${size} bytes, expected ${this.bytes}`);
  }

  read(offset: number, into: Uint8Array): void {
    this.#check(offset, into.length, 1);
    const count = this.#try(() => readSync(this.#fd, into, 0, into.length, offset));
    if (count !== into.length) throw new Refusal('FLASH_FAULT', `${count} of ${into.length} bytes could be read`);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length, this.writeBytes);
    this.#put(offset, bytes);
  }

  erase(offset: number, length: number): void {
    this.#check(offset, length, this.eraseBytes);
    this.#put(offset, new Uint8Array(length).fill(0xff));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #put(offset: number, bytes: Uint8Array): void {
    this.#try(() => {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
      fdatasyncSync(this.#fd);
    });
  }

  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new Refusal('FLASH_FAULT', 'the disk refused an operation', { cause });
    }
  }

  #check(offset: number, length: number, unit: number): void {
    const inside = offset >= 0 && offset + length <= this.bytes;
    if (!inside || offset % unit !== 0 || length % unit !== 0) throw new RangeError(`${length} bytes at ${offset}`);
  }
}
