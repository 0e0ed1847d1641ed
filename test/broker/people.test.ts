/** What people may do together and alone: approvals by several, on the record. */
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  PERSON_PRODUCTS_MAX,
  type PersonRole,
  productArgs,
  readEnrol,
  readProduct,
  rekeyArgs,
  revokeArgs,
  rolloutArgs,
} from '@countersign/broker/ledger/contract/args';
import { passportArgs } from '@countersign/broker/ledger/contract/passport-args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import type { PersonView, ReleaseView } from '@countersign/broker/ledger/contract/views';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  concat,
  encode,
  hex,
  publicKeyOf,
  type Signer,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import {
  act,
  CLASS,
  DEVICES_OBJECT,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  PRODUCT,
  PRODUCT_OBJECT,
  personObject,
  planOf,
  rolloutObject,
  sha256,
  type TestRelease,
  VENDOR,
  type World,
} from '@countersign/simulator/attacks/server/ledger-world';
import { hire as hirePerson } from '@countersign/simulator/attacks/server/people';
import test, { type ExecutionContext } from 'ava';

/** As a person of the world from then on. */
async function hire(world: World, name: string, roles: PersonRole[], products?: Uint8Array[]): Promise<void> {
  world.people[name] = await hirePerson(world, name, roles, products);
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

test('an approval counts as long as its key does: with the next key the same person gives it again', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  await hire(world, 'constructor', ['approver']);
  await act(world, world.people.alice!, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, approvals: 2 }));
  const release = await newRelease(world, 1);
  await act(world, world.people.alice!, 'upload', release.leaf, release.args);
  const approve = (by: Signer) => act(world, by, 'approve', release.leaf);
  const confirm = () => act(world, world.keys.service, 'confirm', release.leaf);
  const stolen = world.people.constructor as unknown as Signer;
  await approve(world.people.bob!);
  await approve(stolen);
  t.is((await stateOf(world, release)).state, 'approved');
  const rekey = async (next: Signer) => {
    const args = rekeyArgs({ name: 'constructor', key: publicKeyOf(next) });
    await act(world, world.people.alice!, 'enrol', personObject('constructor'), args);
    await act(world, world.people.bob!, 'approve', personObject('constructor'));
  };
  const [second, third] = [newSigner(), newSigner()];
  await rekey(second);
  await refuses(t, 'NOT_APPROVED', confirm());
  await refuses(t, 'REVOKED', approve(stolen));
  await approve(second);
  await refuses(t, 'DUPLICATE', approve(second));
  await rekey(third);
  await refuses(t, 'NOT_APPROVED', confirm());
  await approve(third);
  t.deepEqual((await stateOf(world, release)).approvals, ['bob', 'constructor']);
  await confirm();
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

const OTHER_PRODUCT = { ...PRODUCT, name: 'other' };
const OTHER = classId(VENDOR, OTHER_PRODUCT.name);
const ALL_ROLES: PersonRole[] = ['engineer', 'approver', 'operator', 'tester'];

test('a person may have his roles for some products alone, and has none for people, keys and new products then', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const { alice, bob } = world.people;
  await refuses(t, 'NOT_FOUND', hire(world, 'carol', ALL_ROLES, [CLASS]));
  await act(world, alice!, 'product', PRODUCT_OBJECT, productArgs(PRODUCT));
  await act(world, alice!, 'product', objectDigest(sha256, 'product', OTHER), productArgs(OTHER_PRODUCT));
  await hire(world, 'carol', ALL_ROLES, [CLASS]);
  await hire(world, 'dora', ALL_ROLES, [OTHER]);
  const { carol, dora } = world.people;
  const view = (await world.ledger.evaluate('getPerson', 'carol')) as PersonView;
  t.deepEqual(view.products, [hex(CLASS)]);
  t.false('products' in ((await world.ledger.evaluate('getPerson', 'bob')) as PersonView));

  const release = await newRelease(world, 1);
  const { leaf } = release;
  const enrol = enrolDevicesArgs({
    classId: CLASS,
    devices: [newDevice()].map(({ id, signer }) => ({ id, key: publicKeyOf(signer) })),
  });
  const passport = passportArgs({ subject: { kind: 'product', id: CLASS }, serial: 1, digest: new Uint8Array(32) });
  const passportObject = objectDigest(sha256, 'passport', concat(Uint8Array.of(1), CLASS));
  const plan = planOf(release);
  const deeds: [action: string, object: Uint8Array, args?: Value][] = [
    ['upload', leaf, release.args],
    ['enrol', DEVICES_OBJECT, enrol],
    ['passport', passportObject, passport],
  ];
  for (const [action, object, args] of deeds) {
    await refuses(t, 'NOT_PERMITTED', act(world, dora!, action, object, args));
    await t.notThrowsAsync(act(world, carol!, action, object, args), action);
  }
  for (const action of ['approve', 'reject'])
    await refuses(t, 'NOT_PERMITTED', act(world, dora!, action, leaf, action === 'approve' ? [] : ['no']));
  await act(world, bob!, 'approve', leaf);
  await act(world, dora!, 'confirm', leaf);
  const open = rolloutArgs({ op: 'open', plan });
  await refuses(t, 'NOT_PERMITTED', act(world, dora!, 'rollout', rolloutObject(plan), open));
  await act(world, carol!, 'rollout', rolloutObject(plan), open);
  const abort = rolloutArgs({ op: 'abort', rolloutId: plan.rolloutId, reason: 'not hers' });
  await refuses(t, 'NOT_PERMITTED', act(world, dora!, 'rollout', rolloutObject(plan), abort));

  const key = publicKeyOf(newSigner());
  const third = classId(VENDOR, 'third');
  await refuses(
    t,
    'NOT_PERMITTED',
    act(world, carol!, 'product', objectDigest(sha256, 'product', third), productArgs({ ...PRODUCT, name: 'third' })),
  );
  await refuses(
    t,
    'NOT_PERMITTED',
    act(world, carol!, 'enrol', personObject('erin'), enrolPersonArgs({ name: 'erin', roles: ['auditor'], key })),
  );
  await refuses(
    t,
    'NOT_PERMITTED',
    act(world, carol!, 'revoke', personObject('dora'), revokeArgs('person', utf8('dora'), 'rival')),
  );
  await act(world, alice!, 'revoke', personObject('dora'), revokeArgs('person', utf8('dora'), 'gone'));
  for (const action of ['approve', 'reject'])
    await refuses(
      t,
      'NOT_PERMITTED',
      act(world, carol!, action, personObject('dora'), action === 'approve' ? [] : ['no']),
    );
  // Carol is an approver, but of one product: without bob nobody could be enrolled or approved any more.
  await refuses(
    t,
    'BAD_STATEMENT',
    act(world, alice!, 'revoke', personObject('bob'), revokeArgs('person', utf8('bob'), 'gone')),
  );
});

test('products of a person are written in one form alone', (t) => {
  const key = publicKeyOf(newSigner());
  const person = { name: 'carol', roles: ['engineer' as const], key };
  const [low, high] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
  const written = (products: Value) => [...(enrolPersonArgs(person) as Value[]), products];
  t.deepEqual(readEnrol(enrolPersonArgs({ ...person, products: [high, low] })), {
    kind: 'person',
    ...person,
    products: [low, high],
  });
  t.deepEqual(readEnrol(enrolPersonArgs(person)), { kind: 'person', ...person });
  const fixed = { name: 'carol', roles: ['engineer' as const], key: { alg: ALG_ED25519, bytes: new Uint8Array(32) } };
  // By hand, RFC 8949: an array of five; the key is a COSE_Key map of kty, crv and x.
  const coseKey = `a301012006215820${'00'.repeat(32)}`;
  const bytes = `8566706572736f6e656361726f6c8168656e67696e656572${coseKey}8250${'01'.repeat(16)}50${'02'.repeat(16)}`;
  t.is(hex(encode(enrolPersonArgs({ ...fixed, products: [low, high] }))), bytes);
  const many = Array.from({ length: PERSON_PRODUCTS_MAX + 1 }, (_, i) => new Uint8Array(16).fill(i));
  for (const products of [[], [high, low], [low, low], many, null, [low.subarray(1)]] as Value[])
    t.is(codeOf(t.throws(() => readEnrol(written(products)))), 'MALFORMED');
});
