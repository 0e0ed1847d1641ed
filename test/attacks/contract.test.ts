/** Attempts to get something into the ledger that its people did not decide. */

import {
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  type PersonRole,
  productArgs,
  rejectArgs,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  decodeSign1,
  encodeSign1,
  hex,
  OPEN,
  PAUSED,
  publicKeyOf,
  type Signer,
  utf8,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  addProduct,
  command,
  enrolDevices,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT,
  person,
  personObject,
  planOf,
  previousOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
  tx,
  VENDOR,
  type World,
} from '../broker/ledger-world.ts';

async function worldOf(t: ExecutionContext): Promise<World & { alice: Signer; bob: Signer }> {
  const world = await newWorld();
  t.teardown(() => world.end());
  return Object.assign(world, { alice: world.people.alice!, bob: world.people.bob! });
}

async function refuses(t: ExecutionContext, code: Code, attempt: Promise<unknown>, why?: string): Promise<void> {
  const error = await t.throwsAsync(attempt, undefined, why);
  t.is(codeOf(error), code, `${why ?? ''} ${error?.message}`);
}

/** Proposed by alice, approved by bob. */
async function hire(world: World, name: string, roles: PersonRole[]): Promise<Signer> {
  const key = newSigner();
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(key) });
  await act(world, world.people.alice!, 'enrol', personObject(name), args);
  await act(world, world.people.bob!, 'approve', personObject(name));
  return key;
}

async function dismiss(world: World, name: string, by: Signer): Promise<void> {
  await act(world, by, 'revoke', personObject(name), revokeArgs('person', utf8(name), 'key stolen'));
}

test('a thief of an approver key cannot fend off the revocation of that key', async (t) => {
  const world = await worldOf(t);
  const carol = await hire(world, 'carol', ['approver']);
  await dismiss(world, 'carol', world.alice);
  await refuses(t, 'SAME_PERSON', act(world, carol, 'reject', personObject('carol'), rejectArgs('I stay')));
  await act(world, world.bob, 'approve', personObject('carol'));
  await refuses(t, 'REVOKED', act(world, carol, 'approve', personObject('carol')));
});

test('nobody is called like a server or a device: histories name signers by these', async (t) => {
  const world = await worldOf(t);
  for (const name of ['service', 'command', 'ab'.repeat(16)]) {
    const args = enrolPersonArgs({ name, roles: ['engineer'], key: publicKeyOf(newSigner()) });
    await refuses(t, 'BAD_STATEMENT', act(world, world.alice, 'enrol', personObject(name), args), name);
  }
});

test('the last approver cannot be revoked: nobody could ever be enrolled or approved again', async (t) => {
  const world = await worldOf(t);
  await hire(world, 'carol', ['engineer']);
  const why = 'bob is the only approver';
  await refuses(t, 'BAD_STATEMENT', dismiss(world, 'bob', world.alice), why);
  await hire(world, 'dora', ['approver']);
  await dismiss(world, 'bob', world.alice);
});

test('an approval by a key that was found stolen confirms nothing', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const carol = await hire(world, 'carol', ['approver']);
  const release = await newRelease(world, 1);
  await act(world, world.alice, 'upload', release.leaf, release.args);
  await act(world, carol, 'approve', release.leaf);
  await dismiss(world, 'carol', world.alice);
  await act(world, world.bob, 'approve', personObject('carol'));
  await refuses(t, 'NOT_APPROVED', act(world, world.keys.service, 'confirm', release.leaf));
  await act(world, world.bob, 'approve', release.leaf);
  await act(world, world.keys.service, 'confirm', release.leaf);
});

test('a plan with a wave that adds nobody is refused: its statement would be made again for ever', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const release = await publish(world, 1);
  const good = planOf(release);
  const [first, group] = good.waves;
  const rows: [string, (typeof good)['waves']][] = [
    ['the same share', [first!, first!]],
    ['a smaller share', [first!, { ...first!, cohorts: [{ threshold: 5 }] }]],
    ['the same group', [group!, first!, group!]],
  ];
  for (const [why, waves] of rows) await refuses(t, 'BAD_STATEMENT', person(world, { ...good, waves }, 'open'), why);
});

test('devices of another class do not count in a rollout, whatever they report', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const plan = planOf(await publish(world, 1));
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));
  const product = { ...PRODUCT, name: 'toaster' };
  const toasterClass = classId(VENDOR, product.name);
  const productObject = objectDigest(sha256, 'product', toasterClass);
  await act(world, world.alice, 'product', productObject, productArgs(product));
  const [node, toaster] = [newDevice(), newDevice()];
  await enrolDevices(world, [node]);
  const devices = [{ id: toaster.id, key: publicKeyOf(toaster.signer) }];
  const args = enrolDevicesArgs({ classId: toasterClass, devices });
  await act(world, world.keys.service, 'enrol', objectDigest(sha256, 'devices', toasterClass), args);

  for (const device of [node, toaster]) {
    await world.ledger.submit(await nextReport(device, { rolloutId: plan.rolloutId }));
  }
  const totals = (await world.ledger.evaluate('getTotals', hex(plan.rolloutId))) as { updated: number };
  t.is(totals.updated, 1);
});

test('a second signature for the same words, made without the key, does not break a chain of reports', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const device = { ...newDevice(), signer: nodeKeyStore(ALG_ESP256, generateKeyPair(ALG_ESP256).secret) };
  await enrolDevices(world, [device]);
  // Node signs with random nonces: of these some would have a high s by themselves.
  for (let i = 0; i < 8; i++) {
    const report = await nextReport(device);
    await refuses(t, 'BAD_SIGNATURE', world.ledger.submit(otherSignature(report)), `report ${i}`);
    await world.ledger.submit(report);
  }
});

test('the same words twice in one block, or with another signature, are one entry', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const carol = nodeKeyStore(ALG_ESP256, generateKeyPair(ALG_ESP256).secret);
  const enrol = enrolPersonArgs({ name: 'carol', roles: ['engineer'], key: publicKeyOf(carol) });
  await act(world, world.alice, 'enrol', personObject('carol'), enrol);
  await act(world, world.bob, 'approve', personObject('carol'));
  const release = await newRelease(world, 1);
  const once = () => tx(carol, { action: 'upload', object: release.leaf, args: release.args });
  const [first, signedAgain] = [await once(), await once()];
  const together = [first, first, otherSignature(first), signedAgain].map((bytes) => world.ledger.submit(bytes));
  const answers = await Promise.allSettled(together);
  const codes = answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : 'OK'));
  t.deepEqual(codes, ['OK', 'DUPLICATE', 'BAD_SIGNATURE', 'CONFLICT']);
});

test('what two people decide about one rollout at the same moment, one of them decides', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const plan = planOf(await publish(world, 1));
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));
  await command(world, statementOf(plan, 2, PAUSED));
  const object = rolloutObject(plan);
  const previous = await previousOf(world, object);
  const deed = (signer: Signer, op: string) =>
    tx(signer, { action: 'rollout', object, previous, args: [op, plan.rolloutId, 'now'] });
  const [abort, resume] = [await deed(world.alice, 'abort'), await deed(world.bob, 'resume')];
  const answers = await Promise.allSettled([world.ledger.submit(abort), world.ledger.submit(resume)]);
  t.deepEqual(
    answers.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
  // The command key, stolen or late, can only end it now.
  await refuses(t, 'NOT_PERMITTED', command(world, statementOf(plan, 3, OPEN)));
});

test('a device speaks for itself alone: not with the key, the epoch or the past of another', async (t) => {
  const world = await worldOf(t);
  await addProduct(world);
  const [one, two] = [newDevice(), newDevice()];
  await enrolDevices(world, [one, two]);
  const rows: [string, Code, Promise<Uint8Array>][] = [
    ["another's id", 'UNKNOWN_KEY', nextReport({ ...one, id: two.id })],
    ["a person's key", 'UNKNOWN_KEY', nextReport({ ...one, signer: world.alice })],
    ['the command key', 'UNKNOWN_KEY', nextReport({ ...one, signer: world.keys.command })],
    ['the next epoch', 'BAD_COUNTER', nextReport({ ...one }, { epoch: 1 })],
    ['a counter of 0', 'BAD_COUNTER', nextReport({ ...one }, { counter: 0 })],
    ['a counter ahead', 'BAD_COUNTER', nextReport({ ...one }, { counter: 2 })],
    ['the largest counter', 'BAD_COUNTER', nextReport({ ...one }, { counter: Number.MAX_SAFE_INTEGER })],
    ['another past', 'BAD_COUNTER', nextReport({ ...one }, { previous: sha256(utf8('another')) })],
  ];
  for (const [why, code, report] of rows) await refuses(t, code, world.ledger.submit(await report), why);
  const last = await nextReport({ ...one });
  const object = objectDigest(sha256, 'device', one.id);
  await act(world, world.bob, 'revoke', object, revokeArgs('device', one.id, 'stolen'));
  await refuses(t, 'REVOKED', world.ledger.submit(last), 'a revoked device');
  const again = enrolDevicesArgs({
    classId: classId(VENDOR, PRODUCT.name),
    devices: [{ id: one.id, key: publicKeyOf(newSigner()) }],
  });
  const devices = objectDigest(sha256, 'devices', classId(VENDOR, PRODUCT.name));
  await refuses(t, 'REVOKED', act(world, world.bob, 'enrol', devices, again), 'revoked is for ever');
});

/** n - s is as good as s for the curve: anybody on the way can make this from a signature. */
function otherSignature(statement: Uint8Array): Uint8Array {
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const sign1 = decodeSign1(statement);
  const [r, s] = [sign1.signature.slice(0, 32), BigInt(`0x${hex(sign1.signature.slice(32))}`)];
  const other = Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex');
  return encodeSign1({ ...sign1, signature: Uint8Array.from([...r, ...other]) });
}
