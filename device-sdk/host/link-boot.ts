/**
 * Boot control by a symbolic link, for Linux gateways: `current` names the slot that a supervisor starts or mounts.
 *
 *   record: one more attempt      cut here: the attempt is used, `current` still names the old slot
 *   current → the slot            one rename; a cut leaves the old link or the new one, never none
 *
 * The record decides, and `boot()` sets the link by it again; so whoever starts the application calls `boot()` first.
 */
import { readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { Refusal } from '../src/errors.ts';
import type { SlotNumber } from '../src/ports.ts';
import { syncFolder } from './durable.ts';
import { FileBoot, type FileBootOptions } from './file-boot.ts';

export interface LinkBootOptions extends Omit<FileBootOptions, 'jump'> {
  /** The record of trial and attempts. */
  record: string;
  /** The link. */
  current: string;
  /** What it points to for slot 0 and slot 1: files, folders or devices; relative ones count from the link's folder. */
  targets: readonly [string, string];
}

export class LinkBoot extends FileBoot {
  constructor({ record, current, targets, ...options }: LinkBootOptions) {
    super(record, { ...options, jump: (slot: SlotNumber) => pointTo(current, targets[slot]) });
  }
}

/** @throws Refusal BAD_STORE where something that is no link has the link's name */
function pointTo(link: string, target: string): void {
  if (targetOf(link) === target) return;
  const fresh = `${link}.new`;
  rmSync(fresh, { force: true });
  symlinkSync(target, fresh);
  renameSync(fresh, link);
  syncFolder(dirname(link));
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Refusal('BAD_STORE', `${link} is no symbolic link`, { cause });
  }
}
