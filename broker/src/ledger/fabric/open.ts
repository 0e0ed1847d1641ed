/** `--ledger fabric`: from a profile's path to the source of order. */
import type { OrderedSource } from '../mirror/order.ts';
import { fabricSource } from './fabric-source.ts';
import { readProfile } from './profile.ts';

/** @param tell told of what is tried again. @throws Refusal BAD_REQUEST for a profile that cannot be used */
export async function openFabric(profile: string, tell: (text: string) => void): Promise<() => OrderedSource> {
  const read = await readProfile(profile);
  return () => fabricSource(read, { tell });
}
