/**
 * A confirm must stand behind the votes in the order of the chain. Everybody who reads the chain checks it for himself:
 * this is what makes a recorder's word worth nothing.
 */
import { demand, type Verifier } from '@countersign/device-sdk';
import { type Entry, readEntry } from '../contract/entry.ts';
import type { Chain } from './chain.ts';
import { lastWith, type OrderedEvent } from './order.ts';
import { asBytes32 } from './parts.ts';
import type { EvmProfile } from './profile.ts';

/** @throws Refusal DIVERGED; UNREACHABLE */
export async function checkVotes(
  { chain, profile, verifier }: { chain: Chain; profile: Pick<EvmProfile, 'fromBlock'>; verifier: Verifier },
  statement: Uint8Array,
  batch: OrderedEvent,
): Promise<void> {
  const entry = readOrUndefined(verifier, statement);
  if (entry?.kind !== 'tx' || entry.tx.action !== 'confirm') return;
  const release = asBytes32(entry.tx.object);
  const found = await lastWith(chain, { from: profile.fromBlock, to: batch.block }, ({ name, args }) => {
    return name === 'Confirmed' && args.release === release && Number(args.position) < batch.position;
  });
  const text = `event ${batch.position} in block ${batch.block} confirms ${release} without the votes of the nodes`;
  demand(found, 'DIVERGED', text);
}

/** The ledger's own contract says what is wrong with a statement that cannot be read. */
function readOrUndefined({ sha256 }: Verifier, statement: Uint8Array): Entry | undefined {
  try {
    return readEntry(sha256, statement);
  } catch {
    return undefined;
  }
}
