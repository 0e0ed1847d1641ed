/** The engines that the contract's suite runs on. */

import { join } from 'node:path';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { fabricSource } from '@countersign/broker/ledger/fabric/fabric-source';
import { type FabricProfile, readProfile } from '@countersign/broker/ledger/fabric/profile';
import { mirrored } from '@countersign/broker/ledger/mirror/mirrored';
import { newWorld, type World, type WorldOptions } from '../ledger-world.ts';

export interface Engine {
  name: string;
  newWorld(options?: WorldOptions): Promise<World>;
  /** Whether its contract knows at which log size an entry arrives; otherwise it is the stricter one. */
  knowsLogSize: boolean;
}

export const embedded: Engine = { name: 'embedded', newWorld, knowsLogSize: true };

/** @param profile of a ledger that has not begun; a new one for each world */
export function fabricEngine(name: string, profile: () => Promise<FabricProfile>): Engine {
  return {
    name,
    knowsLogSize: false,
    newWorld: async (options) => {
      const own = await profile();
      const engine = (ledger: EmbeddedLedger, dir: string) =>
        mirrored(fabricSource(own), ledger, { folder: join(dir, 'ledger') });
      return newWorld({ quorum: 1, engine, ...options });
    },
  };
}

/** A profile whose ledger nobody has used, on a channel that others may use as well. */
export async function freshLedger(path: string): Promise<FabricProfile> {
  return { ...(await readProfile(path)), ledger: `suite-${crypto.randomUUID()}` };
}
