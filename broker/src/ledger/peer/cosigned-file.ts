/** LEDGER/cosigned: the newest head with a quorum, beside the head file. An audit counts its signatures. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { writeDurable } from '../../store/durable.ts';
import { type CosignedHead, encodeCosignedHead, readCosignedHead } from './messages.ts';

export const COSIGNED_FILE = 'cosigned';

export interface CosignedFile {
  /** undefined where there is none, or none that can be read: it is got anew from the peers. */
  load(): Promise<CosignedHead | undefined>;
  store(head: CosignedHead): Promise<void>;
}

/** @param folder in which the block files lie */
export function cosignedFile(folder: string): CosignedFile {
  const path = join(folder, COSIGNED_FILE);
  return {
    async load() {
      try {
        return readCosignedHead(new Uint8Array(await readFile(path)));
      } catch (error) {
        if (error instanceof Refusal || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    store: (head) => writeDurable(path, encodeCosignedHead(head)),
  };
}
