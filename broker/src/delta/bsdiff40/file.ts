/** BSDIFF40 from file to file, for the command line. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { demand } from '@countersign/device-sdk';
import { readFully, writeFully, writeWhole } from '../whole-file.ts';
import { APPLY_BYTES, applyBsdiff40 } from './apply.ts';

/**
 * Applies a patch whose every length is bounded by the size of the files. The result takes its name when it is whole.
 * @param sha256 of the image that must come out, 64 hex digits; without it nobody says that it is the right one
 * @throws Refusal as applyBsdiff40; RESULT_MISMATCH
 */
export function applyBsdiff40File(
  oldPath: string,
  patch: Uint8Array,
  newPath: string,
  sha256?: string,
): { newBytes: number; sha256: string; workspaceBytes: number } {
  const old = openSync(oldPath, 'r');
  try {
    return writeWhole(newPath, (file) => {
      const hash = createHash('sha256');
      let at = 0;
      const { newBytes } = applyBsdiff40(patch, {
        oldBytes: fstatSync(old).size,
        read: (offset, into) => readFully(old, offset, into),
        write: (bytes) => {
          hash.update(bytes);
          writeFully(file, at, bytes);
          at += bytes.length;
        },
      });
      const digest = hash.digest('hex');
      demand(sha256 === undefined || digest === sha256, 'RESULT_MISMATCH', `the result has the digest ${digest}`);
      return { newBytes, sha256: digest, workspaceBytes: APPLY_BYTES };
    });
  } finally {
    closeSync(old);
  }
}
