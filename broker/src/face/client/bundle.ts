/** A bundle made from a running server, and checked before it has its name. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { framesBytes, hex } from '@countersign/device-sdk/format';
import { type Checked, checkBundle } from '@countersign/device-sdk/host/bundle/check';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import { type BundleHead, encodeStart, readHead } from '@countersign/device-sdk/host/bundle/format';
import { syncFolder } from '@countersign/device-sdk/host/durable';
import type { Session } from './session.ts';

export interface BundleOrder {
  release: string;
  from?: string | undefined;
  full: boolean;
}

export interface Made {
  head: BundleHead;
  bytes: number;
  checked: Checked;
}

/** @throws Refusal the server's; what does not hold in the file that was made */
export async function makeBundle({ api, verifier }: Session, order: BundleOrder, out: string): Promise<Made> {
  const { sha256 } = verifier;
  const { release, from, full } = order;
  const query = new URLSearchParams({ release, ...(from && { from }), full: String(full) });
  const bytes = await api.bytes(`/api/v1/bundle?${query}`);
  const head = readHead(sha256, sha256(bytes), bytes);
  const temporary = `${out}.new`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o644);
  try {
    writeAll(fd, encodeStart(sha256, head));
    for (const payload of head.payloads) {
      const frames = await api.bytes(`/api/v1/payloads/${hex(payload.chainHead)}`);
      demand(frames.length === framesBytes(payload), 'BAD_FRAME', 'the server gives other frames than it names');
      writeAll(fd, frames);
    }
    fsyncSync(fd);
    const made = inspectBundle(verifier, temporary);
    renameSync(temporary, out);
    // Its name is on the disk only with the folder; it may be carried away on a stick at once.
    syncFolder(dirname(out));
    return made;
  } finally {
    closeSync(fd);
    rmSync(temporary, { force: true });
  }
}

/** @param trust a trust root from outside. @throws Refusal with the code of the first thing that does not hold */
export function inspectBundle(verifier: Session['verifier'], path: string, trust?: Uint8Array): Made {
  const file = new BundleFile(path, verifier.sha256);
  try {
    return { head: file.head, bytes: file.bytes, checked: checkBundle(verifier, file, trust) };
  } finally {
    file.close();
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
