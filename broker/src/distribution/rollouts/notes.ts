/** Why this server paused a rollout by itself: durable before the pause is, so that no pause lacks its reason. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { readIfThere } from '../files.ts';
import type { Accepted } from './evaluate.ts';

export interface PauseNote extends Accepted {
  reason: string;
  /** Seconds since the epoch. */
  at: number;
}

export interface PauseNotes {
  get(rolloutId: string): PauseNote | undefined;
  put(rolloutId: string, note: PauseNote): Promise<void>;
}

export async function openPauseNotes(dir: string): Promise<PauseNotes> {
  const folder = join(dir, 'pauses');
  await makeFolder(folder);
  const notes = new Map<string, PauseNote>();
  for (const name of await readdir(folder)) {
    if (/^[0-9a-f]{32}$/.test(name)) notes.set(name, await readNote(join(folder, name)));
  }
  return {
    get: (rolloutId) => notes.get(rolloutId),
    async put(rolloutId, note) {
      await writeDurable(join(folder, rolloutId), Buffer.from(JSON.stringify(note)));
      notes.set(rolloutId, note);
    },
  };
}

async function readNote(path: string): Promise<PauseNote> {
  try {
    return JSON.parse(Buffer.from((await readIfThere(path))!).toString()) as PauseNote;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} is damaged`, { cause });
  }
}
