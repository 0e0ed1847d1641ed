/** Row 44: people who have their roles for some products, and next keys that nobody approved or that nobody may have. */
import { enrolPersonArgs, objectDigest, productArgs, rekeyArgs } from '@countersign/broker/ledger/contract/args';
import { FORMER_KEYS_MAX } from '@countersign/broker/ledger/contract/rekey';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import type { Code } from '@countersign/device-sdk';
import { publicKeyOf } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { act, CLASS, newSigner, PRODUCT, personObject, sha256, VENDOR, type World } from '../server/ledger-world.ts';
import { alice, bob, dismiss, hire, nextKey, nextKeys, OTHER, uploaded } from '../server/people.ts';
import { contract } from '../server/try.ts';

const TOASTER = { ...PRODUCT, name: 'toaster' };
const TOASTERS = classId(VENDOR, TOASTER.name);

/** Carol has every role, for another product than the one that is attacked. */
async function carolOfToasters(world: World) {
  await act(world, alice(world), 'product', objectDigest(sha256, 'product', TOASTERS), productArgs(TOASTER));
  return hire(world, 'carol', ['engineer', 'approver', 'operator'], [TOASTERS]);
}

/** Somebody with roles for these products alone. */
function limited(how: string, expect: Code, products: readonly Uint8Array[]): Variant {
  return contract(how, expect, async (world) => {
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()), products });
    return () => act(world, bob(world), 'enrol', personObject('mallory'), args);
  });
}

/** Asks for a next key of carol's. */
const askKey = (world: World) => () =>
  act(world, bob(world), 'enrol', personObject('carol'), rekeyArgs({ name: 'carol', key: publicKeyOf(newSigner()) }));

export const rekeyRows: Variant[] = [
  contract('approves a release of a product for which he has no role', 'NOT_PERMITTED', async (world) => {
    const carol = await carolOfToasters(world);
    const { leaf } = await uploaded(world);
    return () => act(world, carol, 'approve', leaf);
  }),
  contract('enrols a person with the roles that he has for one product', 'NOT_PERMITTED', async (world) => {
    const carol = await carolOfToasters(world);
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()) });
    return () => act(world, carol, 'enrol', personObject('mallory'), args);
  }),
  limited('enrols a person for no product', 'MALFORMED', []),
  limited('enrols a person for one product twice', 'MALFORMED', [CLASS, CLASS]),
  limited('enrols a person for a product that is to come', 'NOT_FOUND', [OTHER]),
  contract('approves with a next key that nobody has approved', 'NOT_PERMITTED', async (world) => {
    const stolen = await nextKey(world, 'bob');
    const { leaf } = await uploaded(world);
    return () => act(world, stolen, 'approve', leaf);
  }),
  contract('proposes a next key for a person who is revoked', 'BAD_STATEMENT', async (world) => {
    await hire(world, 'carol', ['approver']);
    await dismiss(world, 'carol');
    await act(world, bob(world), 'approve', personObject('carol'));
    return askKey(world);
  }),
  contract('proposes a next key for a person whose revocation waits', 'EXISTS', async (world) => {
    await hire(world, 'carol', ['approver']);
    await dismiss(world, 'carol');
    return askKey(world);
  }),
  contract('proposes a next key for a person who has had too many', 'TOO_LARGE', async (world) => {
    await hire(world, 'carol', ['approver']);
    await nextKeys(world, 'carol', FORMER_KEYS_MAX);
    return askKey(world);
  }),
];
