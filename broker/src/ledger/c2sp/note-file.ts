/** A note in a file of its own, whole or not at all. */
import { readFile } from 'node:fs/promises';
import { Refusal } from '@countersign/device-sdk';
import { writeDurable } from '../../store/durable.ts';
import type { CheckpointStore } from './checkpoints.ts';

/** Name of the checkpoint file beside the block files. */
export const CHECKPOINT_FILE = 'checkpoint';

export function noteFile(path: string): CheckpointStore {
  return {
    async load() {
      try {
        return new Uint8Array(await readFile(path));
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
      }
    },
    save: (note) => writeDurable(path, note),
  };
}
