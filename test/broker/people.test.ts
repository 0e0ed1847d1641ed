/** What people may do together and alone: approvals by several, on the record. */
import {
  enrolPersonArgs,
  type PersonRole,
  productArgs,
  readProduct,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { type Code, codeOf } from '@countersign/device-sdk';
import { publicKeyOf, utf8 } from '@countersign/device-sdk/format';
import {
  act,
  newRelease,
  newSigner,
  newWorld,
  PRODUCT,
  PRODUCT_OBJECT,
  personObject,
  type TestRelease,
  type World,
} from '@countersign/simulator/attacks/server/ledger-world';
import test, { type ExecutionContext } from 'ava';

async function hire(world: World, name: string, roles: PersonRole[]): Promise<void> {
  const key = newSigner();
  await act(
    world,
    world.people.alice!,
    'enrol',
    personObject(name),
    enrolPersonArgs({ name, roles, key: publicKeyOf(key) }),
  );
  await act(world, world.people.bob!, 'approve', personObject(name));
  world.people[name] = key;
}

async function refuses(t: ExecutionContext, code: Code, attempt: Promise<unknown>): Promise<void> {
  t.is(codeOf(await t.throwsAsync(attempt)), code);
}

const stateOf = async ({ ledger }: World, { leaf }: TestRelease) =>
  (await ledger.evaluate('getRelease', Buffer.from(leaf).toString('hex'))) as ReleaseView;

test('a product may need several approvals: by distinct people, none of them the uploader, all still active', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  await hire(world, 'carol', ['approver', 'engineer']);
  await hire(world, 'dora', ['approver']);
  const { alice, bob, carol, dora } = world.people;
  await act(world, alice!, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, approvals: 2 }));
  const release = await newRelease(world, 1);
  await act(world, carol!, 'upload', release.leaf, release.args);
  const confirm = () => act(world, world.keys.service, 'confirm', release.leaf);

  await refuses(t, 'SAME_PERSON', act(world, carol!, 'approve', release.leaf));
  await act(world, bob!, 'approve', release.leaf);
  t.like(await stateOf(world, release), { state: 'uploaded', approvals: ['bob'] });
  await refuses(t, 'DUPLICATE', act(world, bob!, 'approve', release.leaf));
  await refuses(t, 'NOT_APPROVED', confirm());
  await act(world, dora!, 'approve', release.leaf);
  t.is((await stateOf(world, release)).state, 'approved');

  // An approver who is revoked meanwhile takes his approval with him: another one is needed.
  await act(world, alice!, 'revoke', personObject('dora'), revokeArgs('person', utf8('dora'), 'stolen'));
  await act(world, bob!, 'approve', personObject('dora'));
  await refuses(t, 'NOT_APPROVED', confirm());
  await hire(world, 'erin', ['approver']);
  await act(world, world.people.erin!, 'approve', release.leaf);
  await confirm();
  t.like(await stateOf(world, release), { state: 'confirmed', approvals: ['bob', 'dora', 'erin'] });
});

test('a product says how many approvals it needs in one form alone', (t) => {
  const components = [{ id: 'radio', slotBytes: 4096 }];
  for (const product of [
    PRODUCT,
    { ...PRODUCT, approvals: 2 },
    { ...PRODUCT, cpu: 'thumb' as const, components, approvals: 16 },
  ])
    t.deepEqual(readProduct(productArgs(product)), product);
  t.deepEqual(productArgs({ ...PRODUCT, approvals: 1 }), productArgs(PRODUCT));
  const items = productArgs({ ...PRODUCT, approvals: 2 }) as number[];
  for (const approvals of [0, 1, 17, null]) {
    const error = t.throws(() => readProduct([...items.slice(0, 10), approvals as number]));
    t.is(codeOf(error), 'MALFORMED', String(approvals));
  }
});
