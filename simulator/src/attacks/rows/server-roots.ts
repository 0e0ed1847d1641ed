/** Trust roots at the ledger's door: signed by too few, out of order, replayed, forked, or such that a thief comes back. */
import {
  planNextRoot,
  type RootChange,
  rotation,
  signedRootOf,
  signRootPayload,
} from '@countersign/broker/keys/next-root';
import { hex, kidOf, publicKeyOf, readSignedRoot, type Signer, type TrustRoot } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { enrolDevices, newDevice, newSigner, sha256, verifier, type World } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const current = async (world: World): Promise<TrustRoot> =>
  readSignedRoot(sha256, (await world.ledger.roots(1)).at(-1)!).root;

async function signed(next: TrustRoot, by: readonly Signer[]): Promise<Uint8Array> {
  return signedRootOf(sha256, next, await Promise.all(by.map((signer) => signRootPayload(sha256, next, signer))));
}

async function log(world: World, change: RootChange, by: readonly Signer[] = [world.keys.root]): Promise<void> {
  await world.ledger.submit(await signed(planNextRoot(verifier, await current(world), change), by));
}

/** A thief's root is ready; where he has to wait for something, it has happened. */
function root(how: string, prepare: (world: World) => Promise<Uint8Array>): Variant {
  return contract(how, 'BAD_ROOT', async (world) => {
    const bytes = await prepare(world);
    return () => world.ledger.submit(bytes);
  });
}

const kid = (signer: Signer): string => hex(kidOf(sha256, publicKeyOf(signer)));

export const loggedRootRows: Variant[] = [
  root('logs a trust root that no root key has signed', async (world) =>
    signed(planNextRoot(verifier, await current(world), {}), [newSigner()]),
  ),
  root('logs a trust root that its own new root keys alone have signed', async (world) => {
    const thief = newSigner();
    const change = rotation(verifier, await current(world), 'root', [publicKeyOf(thief)], 1);
    return signed(planNextRoot(verifier, await current(world), change), [thief]);
  }),
  root('logs a trust root and leaves a version out', async (world) => {
    const next = planNextRoot(verifier, await current(world), {});
    return signed({ ...next, version: next.version + 1 }, [world.keys.root]);
  }),
  root('logs an old trust root again', async (world) => {
    await log(world, { headAgeMax: 90 });
    return world.rootBytes;
  }),
  root('logs a second trust root of one version', async (world) => {
    const other = await signed(planNextRoot(verifier, await current(world), { headAgeMax: 91 }), [world.keys.root]);
    await log(world, { headAgeMax: 90 });
    return other;
  }),
  root('logs a trust root by a root key that was revoked', async (world) => {
    const honest = newSigner();
    const change = rotation(verifier, await current(world), 'root', [publicKeyOf(honest)], 1, true);
    await log(world, change, [world.keys.root, honest]);
    return signed(planNextRoot(verifier, await current(world), {}), [world.keys.root]);
  }),
  root('logs a trust root that forgets a revocation', async (world) => {
    await log(world, rotation(verifier, await current(world), 'service', [publicKeyOf(newSigner())], 1, true));
    return signed({ ...planNextRoot(verifier, await current(world), {}), revocations: [] }, [world.keys.root]);
  }),
  root('logs a trust root that leaves the log without a key', async (world) => {
    const change = { revoke: [{ kid: kid(world.keys.log), logSize: 1 }] };
    return signed(planNextRoot(verifier, await current(world), change), [world.keys.root]);
  }),
];

/** From the entry of the root on. */
export const rotatedKeyRows: Variant[] = [
  contract('enrols with a service key that the next trust root revokes', 'REVOKED', async (world) => {
    await log(world, rotation(verifier, await current(world), 'service', [publicKeyOf(newSigner())], 1, true));
    return () => enrolDevices(world, [newDevice()]);
  }),
  contract('enrols with a service key that the next trust root takes out', 'UNKNOWN_KEY', async (world) => {
    await log(world, rotation(verifier, await current(world), 'service', [publicKeyOf(newSigner())], 1));
    return () => enrolDevices(world, [newDevice()]);
  }),
];
