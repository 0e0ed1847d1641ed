/** Who works at the servers of an attack: hired, dismissed, and the first thing they do. */
import { enrolPersonArgs, type PersonRole, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { publicKeyOf, type Signer, utf8 } from '@countersign/device-sdk/format';
import { act, newRelease, newSigner, personObject, type World } from './ledger-world.ts';

export const alice = (world: World): Signer => world.people.alice!;
export const bob = (world: World): Signer => world.people.bob!;

/** No class, device or rollout that exists has this id. */
export const OTHER = new Uint8Array(16).fill(5);

/** Proposed by alice, approved by bob. */
export async function hire(world: World, name: string, roles: PersonRole[]): Promise<Signer> {
  const key = newSigner();
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(key) });
  await act(world, world.people.alice!, 'enrol', personObject(name), args);
  await act(world, world.people.bob!, 'approve', personObject(name));
  return key;
}

export async function proposed(world: World, name: string, key = newSigner()): Promise<Signer> {
  await act(
    world,
    alice(world),
    'enrol',
    personObject(name),
    enrolPersonArgs({ name, roles: ['approver'], key: publicKeyOf(key) }),
  );
  return key;
}

/** Proposed by alice. */
export const dismiss = (world: World, name: string) =>
  act(world, world.people.alice!, 'revoke', personObject(name), revokeArgs('person', utf8(name), 'stolen'));

export async function uploaded(world: World, by: Signer = world.people.alice!) {
  const release = await newRelease(world, 1);
  await act(world, by, 'upload', release.leaf, release.args);
  return release;
}
