/** Trust roots at the ledger's door: signed by too few, out of order, replayed, forked, or such that a thief comes back. */
import { planNextRoot, rotation } from '@countersign/broker/keys/next-root';
import { createLedger } from '@countersign/broker/ledger/embedded/create';
import type { Code } from '@countersign/device-sdk';
import { publicKeyOf } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import {
  enrolDevices,
  enrolment,
  newDevice,
  newSigner,
  newWorld,
  ORIGIN,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { currentRoot, kidIn, logRoot, nextRoot, signedRoot } from '../server/next-roots.ts';
import { alice, bob } from '../server/people.ts';
import { codeFrom, contract } from '../server/try.ts';

/** A thief's root is ready; where he has to wait for something, it has happened. */
function root(how: string, prepare: (world: World) => Promise<Uint8Array>, expect: Code = 'BAD_ROOT'): Variant {
  return contract(how, expect, async (world) => {
    const bytes = await prepare(world);
    return () => world.ledger.submit(bytes);
  });
}

export const loggedRootRows: Variant[] = [
  root('logs a trust root that no root key has signed', async (world) => nextRoot(world, {}, [newSigner()])),
  root('logs a trust root that its own new root keys alone have signed', async (world) => {
    const thief = newSigner();
    const change = rotation(verifier, await currentRoot(world), 'root', [publicKeyOf(thief)], 1);
    return nextRoot(world, change, [thief]);
  }),
  root('logs a trust root and leaves a version out', async (world) => {
    const next = planNextRoot(verifier, await currentRoot(world), {});
    return signedRoot({ ...next, version: next.version + 1 }, [world.keys.root]);
  }),
  root('logs an old trust root again', async (world) => {
    await logRoot(world, { headAgeMax: 90 });
    return world.rootBytes;
  }),
  root('logs a second trust root of one version', async (world) => {
    const other = await nextRoot(world, { headAgeMax: 91 });
    await logRoot(world, { headAgeMax: 90 });
    return other;
  }),
  root('logs a trust root by a root key that was revoked', async (world) => {
    const honest = newSigner();
    const change = rotation(verifier, await currentRoot(world), 'root', [publicKeyOf(honest)], 1, true);
    await logRoot(world, change, [world.keys.root, honest]);
    return nextRoot(world, {});
  }),
  root('logs a trust root that forgets a revocation', async (world) => {
    await logRoot(world, rotation(verifier, await currentRoot(world), 'service', [publicKeyOf(newSigner())], 1, true));
    return signedRoot({ ...planNextRoot(verifier, await currentRoot(world), {}), revocations: [] }, [world.keys.root]);
  }),
  root('logs a trust root that leaves the log without a key', async (world) => {
    const change = { revoke: [{ kid: kidIn(world.keys.log), logSize: 1 }] };
    return nextRoot(world, change);
  }),
  root('logs the trust root in force again', async (world) => world.rootBytes, 'DUPLICATE'),
  root(
    'makes a person’s key a service key in the next trust root',
    (world) => nextRoot(world, { add: [{ role: 'service', key: publicKeyOf(alice(world)) }] }),
    'EXISTS',
  ),
  twoRootsAtFirst(),
];

/** Whoever begins a ledger gets the first enrolments from others, each in a file. */
function twoRootsAtFirst(): Variant {
  return {
    how: 'hands in the next trust root as the enrolment of one of the first people',
    expect: 'NOT_PERMITTED',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      const people = [
        await enrolment('alice', ['operator'], alice(world)),
        await enrolment('bob', ['approver'], bob(world)),
        await nextRoot(world, { headAgeMax: 90 }),
      ];
      const { keys, rootBytes } = world;
      const first = { origin: ORIGIN, rootBytes, people, ordererSigner: keys.orderer, logSigner: keys.log, verifier };
      const code = await codeFrom(createLedger(await ground.folder(), first));
      return { harm: code ? undefined : 'the ledger begins under the second root', codes: code ? [code] : [] };
    },
  };
}

/** From the entry of the root on. */
export const rotatedKeyRows: Variant[] = [
  contract('enrols with a service key that the next trust root revokes', 'REVOKED', async (world) => {
    await logRoot(world, rotation(verifier, await currentRoot(world), 'service', [publicKeyOf(newSigner())], 1, true));
    return () => enrolDevices(world, [newDevice()]);
  }),
  contract('enrols with a service key that the next trust root takes out', 'UNKNOWN_KEY', async (world) => {
    await logRoot(world, rotation(verifier, await currentRoot(world), 'service', [publicKeyOf(newSigner())], 1));
    return () => enrolDevices(world, [newDevice()]);
  }),
];
