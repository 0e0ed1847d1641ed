/** Files written by synchronous code: whole under their name, or not there. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { TEMPORARY_PREFIX } from '../store/durable.ts';

/** Runs `fill` on a temporary file, flushes it and gives it its name; where `fill` throws, nothing is left. */
export function writeWhole<T>(path: string, fill: (file: number) => T): T {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${basename(path)}-${randomBytes(6).toString('hex')}`);
  try {
    const file = openSync(temporary, 'wx+');
    let result: T;
    try {
      result = fill(file);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    return result;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** @throws Refusal WRONG_BASE where the file ends first: it had been long enough when it was opened */
export function readFully(file: number, offset: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(file, into, done, into.length - done, offset + done);
    demand(count > 0, 'WRONG_BASE', 'the old file became shorter');
    done += count;
  }
}

export function writeFully(file: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, offset + done);
}
