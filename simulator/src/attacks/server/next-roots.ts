/** Trust roots after the first one: planned from the one in force, and signed by anybody. */
import { planNextRoot, type RootChange, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { hex, kidOf, publicKeyOf, readSignedRoot, type Signer, type TrustRoot } from '@countersign/device-sdk/format';
import { sha256, verifier, type World } from './ledger-world.ts';

export async function currentRoot({ ledger }: World): Promise<TrustRoot> {
  return readSignedRoot(sha256, (await ledger.roots(1)).at(-1)!).root;
}

export async function signedRoot(next: TrustRoot, by: readonly Signer[]): Promise<Uint8Array> {
  return signedRootOf(sha256, next, await Promise.all(by.map((signer) => signRootPayload(sha256, next, signer))));
}

/** The next one with this change, signed by the root key where nobody else is named. */
export async function nextRoot(
  world: World,
  change: RootChange,
  by: readonly Signer[] = [world.keys.root],
): Promise<Uint8Array> {
  return signedRoot(planNextRoot(verifier, await currentRoot(world), change), by);
}

export async function logRoot(world: World, ...how: [change: RootChange, by?: readonly Signer[]]): Promise<void> {
  await world.ledger.submit(await nextRoot(world, ...how));
}

/** As a change of the root names a key. */
export const kidIn = (signer: Signer): string => hex(kidOf(sha256, publicKeyOf(signer)));
