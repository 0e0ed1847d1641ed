/** Implicit keys on the record: before their first use, one point for an identity, and what a second one means. */
import { auditFolder } from '@countersign/broker/ledger/audit';
import { enrolPersonArgs } from '@countersign/broker/ledger/contract/args';
import { issueKeyArgs, possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import type { IssuedKeyView } from '@countersign/broker/ledger/contract/views';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  hex,
  implicitThumbprint,
  publicKeyOf,
  type Signer,
  signStatement,
  type Transaction,
  thumbprint,
} from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { issueTo, newCentre } from '../support/kgc.ts';
import {
  act,
  addProduct,
  newRelease,
  newSigner,
  newWorld,
  personObject,
  sha256,
  tx,
  type World,
} from './ledger-world.ts';

const C1 = { role: 'collection', name: 'c1', epoch: 1 } as const;

async function worldOf(t: ExecutionContext) {
  const centre = newCentre();
  const other = newCentre();
  const c1 = await issueTo(centre, C1);
  const d1 = await issueTo(centre, { role: 'distribution', name: 'd1', epoch: 1 });
  const centres = [centre.publicKey, other.publicKey];
  const world = await newWorld({ implicit: { centres, keys: [c1.key, d1.key] } });
  t.teardown(() => world.end());
  world.keys.collection = c1.signer;
  return { centre, other, c1, d1, world, alice: world.people.alice!, bob: world.people.bob! };
}

async function codeOfEntry(world: World, statement: Promise<Uint8Array> | Uint8Array): Promise<Code | 'accepted'> {
  try {
    await world.ledger.submit(await statement);
    return 'accepted';
  } catch (error) {
    return codeOf(error);
  }
}

async function uploadOf(world: World): Promise<Uint8Array> {
  const { leaf, args } = await newRelease(world, 1);
  return tx(world.people.alice!, { action: 'upload', object: leaf, args });
}

const entry = (signer: Signer, change: Partial<Transaction> & Pick<Transaction, 'object' | 'args'>) =>
  tx(signer, { action: 'issueKey', ...change });

test('a key that is not on the record signs no release, and one that is does', async (t) => {
  const { world, c1, bob } = await worldOf(t);
  await addProduct(world);
  const upload = await uploadOf(world);
  t.is(await codeOfEntry(world, upload), 'UNKNOWN_KEY');
  await world.ledger.submit(await entry(bob, c1));
  t.is(await codeOfEntry(world, upload), 'accepted');
  const view = (await world.ledger.evaluate(
    'getIssuedKey',
    hex(thumbprint(sha256, publicKeyOf(c1.signer))),
  )) as IssuedKeyView;
  t.is(view.points.length, 1);
  t.is(view.points[0]!.point, hex(c1.key.point));
  t.is(view.points[0]!.by, 'bob');
  t.false(view.convicted);
});

test('an issued key is refused by who may not, without proof, under another centre, and twice', async (t) => {
  const { world, centre, c1, alice, bob } = await worldOf(t);
  const carol = newSigner();
  const enrol = enrolPersonArgs({ name: 'carol', roles: ['engineer'], key: publicKeyOf(carol) });
  await act(world, alice, 'enrol', personObject('carol'), enrol);
  await act(world, bob, 'approve', personObject('carol'));
  const stranger = await issueTo(newCentre(), C1);
  const c2 = await issueTo(centre, { ...C1, name: 'c2' });
  const proof = (
    signer: Signer,
    payload = possessionValue(new Uint8Array(16)),
    kind: 'possession' | 'login' = 'possession',
  ) => signStatement(sha256, kind, payload, signer);
  const with_ = async (possession: Promise<Uint8Array>) =>
    entry(alice, { object: c1.object, args: issueKeyArgs({ key: c1.key, possession: await possession }) });
  const rows: [why: string, code: Code, statement: Promise<Uint8Array>][] = [
    ['an engineer', 'NOT_PERMITTED', entry(carol, c1)],
    ['a service key', 'NOT_PERMITTED', entry(world.keys.service, c1)],
    ['a centre that is not pinned', 'UNKNOWN_KEY', entry(alice, stranger)],
    ['another object', 'BAD_STATEMENT', entry(alice, { object: c2.object, args: c1.args })],
    ["another key's proof", 'BAD_SIGNATURE', with_(proof(c2.signer))],
    ['a proof of another kind', 'WRONG_TYPE', with_(proof(c1.signer, possessionValue(new Uint8Array(16)), 'login'))],
    ['a proof over something else', 'MALFORMED', with_(proof(c1.signer, [1]))],
    ['a short nonce', 'MALFORMED', with_(proof(c1.signer, [new Uint8Array(8)]))],
    ['a point that nobody has the key of', 'BAD_SIGNATURE', with_(proof({ ...c1.signer, sign: stranger.signer.sign }))],
    ['a point off the curve', 'BAD_KEY', badPoint()],
  ];
  for (const [why, code, statement] of rows) t.is(await codeOfEntry(world, statement), code, why);
  await world.ledger.submit(await entry(alice, c1));
  const previous = await previousOf(c1.object);
  t.is(await codeOfEntry(world, entry(alice, { ...c1, previous })), 'DUPLICATE', 'the same point again');

  async function badPoint() {
    const key = { ...c1.key, point: new Uint8Array(33).fill(2, 0, 1).fill(4, 32) };
    const signer = { ...c1.signer, publicKey: c1.signer.publicKey.slice() };
    signer.publicKey.set(implicitThumbprint(sha256, key));
    return entry(alice, { object: c1.object, args: issueKeyArgs({ key, possession: await proof(signer) }) });
  }

  async function previousOf(object: Uint8Array) {
    const { previous } = (await world.ledger.evaluate('getPrevious', hex(object))) as { previous: string };
    return new Uint8Array(Buffer.from(previous, 'hex'));
  }
});

test('a second point convicts the centre, and the key of the first one goes on', async (t) => {
  const { world, centre, other, c1, alice } = await worldOf(t);
  const carol = newSigner();
  const enrol = enrolPersonArgs({ name: 'carol', roles: ['auditor'], key: publicKeyOf(carol) });
  await act(world, alice, 'enrol', personObject('carol'), enrol);
  await act(world, world.people.bob!, 'approve', personObject('carol'));
  await act(world, alice, 'issueKey', c1.object, c1.args);
  const elsewhere = await issueTo(other, C1);
  t.is(await codeOfEntry(world, again(alice, elsewhere)), 'EXISTS', 'another centre, the same identity');
  const second = await issueTo(centre, C1);
  await act(world, carol, 'issueKey', second.object, second.args);
  const [view] = (await world.ledger.evaluate('listIssuedKeys')) as IssuedKeyView[];
  t.true(view!.convicted);
  const audited = await auditFolder(world.dir);
  t.false(audited.ok);
  t.deepEqual(
    audited.problems.map(({ code }) => code),
    ['EXISTS'],
  );
  t.regex(audited.problems[0]!.text, /issued two points for collection c1, epoch 1/);
  t.deepEqual(
    view!.points.map(({ point }) => point),
    [hex(c1.key.point), hex(second.key.point)],
  );
  t.is(await codeOfEntry(world, again(alice, await issueTo(centre, C1))), 'EXISTS', 'a third one says nothing new');
  const next = await issueTo(centre, { ...C1, epoch: 2 });
  t.is(await codeOfEntry(world, entry(alice, next)), 'REVOKED', 'a convicted centre issues nothing more');
  t.is(await codeOfEntry(world, entry(alice, await issueTo(other, { ...C1, epoch: 2 }))), 'accepted');
  await addProduct(world);
  t.is(
    await codeOfEntry(world, uploadOf(world)),
    'accepted',
    'whoever could void a key by a second point could stop a fleet',
  );

  async function again(signer: Signer, issued: typeof c1) {
    const { previous } = (await world.ledger.evaluate('getPrevious', hex(issued.object))) as { previous: string };
    return entry(signer, { ...issued, previous: new Uint8Array(Buffer.from(previous, 'hex')) });
  }
});
