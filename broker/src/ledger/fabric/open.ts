/** `up --ledger fabric`: from a profile's path to the engine. */
import type { Refusal } from '@countersign/device-sdk';
import { type LedgerEngine, mirrored } from '../mirror/mirrored.ts';
import { fabricSource } from './fabric-source.ts';
import { readProfile } from './profile.ts';

export interface FabricEngineOptions {
  /** Path of the connection profile. */
  profile: string;
  /** Told of what is tried again. */
  tell?: (text: string) => void;
  /** Told once when the ledger has stopped taking entries. */
  stopped?: (reason: Refusal) => void;
}

/** @throws Refusal BAD_REQUEST for a profile that cannot be used */
export async function fabricLedger({ profile, tell, stopped }: FabricEngineOptions): Promise<LedgerEngine> {
  const read = await readProfile(profile);
  return (ledger, folder) => {
    return mirrored(fabricSource(read, { ...(tell && { tell }) }), ledger, { folder, ...(stopped && { stopped }) });
  };
}
