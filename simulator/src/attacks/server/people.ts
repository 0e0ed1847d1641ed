/** Who works at the servers of an attack: hired, dismissed, and the first thing they do. */
import {
  enrolPersonArgs,
  noArgs,
  type PersonRole,
  rekeyArgs,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import { leafHash, publicKeyOf, type Signer, utf8 } from '@countersign/device-sdk/format';
import { act, newRelease, newSigner, personObject, previousOf, sha256, tx, type World } from './ledger-world.ts';

export const alice = (world: World): Signer => world.people.alice!;
export const bob = (world: World): Signer => world.people.bob!;

/** No class, device or rollout that exists has this id. */
export const OTHER = new Uint8Array(16).fill(5);

/** Proposed by alice, approved by bob. @param products class ids; for all products where not given */
export async function hire(
  world: World,
  name: string,
  roles: PersonRole[],
  products?: readonly Uint8Array[],
): Promise<Signer> {
  const key = newSigner();
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(key), products });
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

/** Proposed by alice. @returns the next key, which is not approved yet */
export async function nextKey(world: World, name: string): Promise<Signer> {
  const key = newSigner();
  await act(world, alice(world), 'enrol', personObject(name), rekeyArgs({ name, key: publicKeyOf(key) }));
  return key;
}

/** One next key after the other, each proposed by alice and approved by bob: handed in together, so that one block takes all. */
export async function nextKeys(world: World, name: string, count: number): Promise<void> {
  const object = personObject(name);
  let previous = await previousOf(world, object);
  const statements: Uint8Array[] = [];
  const add = async (by: Signer, action: string, args = noArgs()) => {
    const bytes = await tx(by, { action, object, previous, args });
    previous = leafHash(sha256, bytes);
    statements.push(bytes);
  };
  for (let i = 0; i < count; i++) {
    await add(alice(world), 'enrol', rekeyArgs({ name, key: publicKeyOf(newSigner()) }));
    await add(bob(world), 'approve');
  }
  await Promise.all(statements.map((bytes) => world.ledger.submit(bytes)));
}

export async function uploaded(world: World, by: Signer = world.people.alice!) {
  const release = await newRelease(world, 1);
  await act(world, by, 'upload', release.leaf, release.args);
  return release;
}
