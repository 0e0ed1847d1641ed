import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDelivery } from '@countersign/broker/distribution/delivery/broker';
import { memoryLoginCounters, openLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { Door } from '@countersign/broker/distribution/delivery/door';
import type { Credentials } from '@countersign/broker/distribution/delivery/login';
import { loginGate } from '@countersign/broker/distribution/delivery/login';
import { type Code, codeOf } from '@countersign/device-sdk';
import { ackValue, hex, signStatement } from '@countersign/device-sdk/format';
import test from 'ava';
import { FakeDelivery } from '../support/fake-delivery.ts';
import {
  BROKER_ID,
  eventually,
  makeBed,
  makeDevice,
  RawClient,
  SECRET,
  type TestDevice,
  verifier,
} from './delivery-bed.ts';

/** Every way for a login to be refused. `known` is the enrolled device that logs in. */
const REFUSALS: [string, Code, (known: TestDevice, other: TestDevice) => Promise<Partial<Credentials>>][] = [
  ['a login of another device', 'BAD_STATEMENT', async (_, other) => ({ password: await other.login() })],
  [
    'a login for another device signed by this one',
    'BAD_STATEMENT',
    async (d, o) => ({ password: await d.login({ deviceId: o.id }) }),
  ],
  [
    'a login for another broker',
    'BAD_STATEMENT',
    async (d) => ({ password: await d.login({ brokerId: 'elsewhere' }) }),
  ],
  ['another key', 'UNKNOWN_KEY', async (d, other) => ({ password: await d.login({ keys: other.keys }) })],
  ['another kind of statement', 'WRONG_TYPE', async (d) => ({ password: await otherStatement(d) })],
  ['a broken signature', 'BAD_SIGNATURE', async (d) => ({ password: flipped(await d.login(), -1) })],
  ['a login cut short', 'MALFORMED', async (d) => ({ password: (await d.login()).subarray(0, 90) })],
  ['a login of megabytes', 'TOO_LARGE', async () => ({ password: new Uint8Array(1_000_000) })],
  ['no password', 'UNAUTHORIZED', async () => ({ password: undefined })],
  ['no user name', 'UNAUTHORIZED', async () => ({ username: undefined })],
  ['a client id that is not the user name', 'UNAUTHORIZED', async () => ({ clientId: 'someone' })],
  ['a name that is no device id', 'UNAUTHORIZED', async () => ({ username: 'admin', clientId: 'admin' })],
  ['a device id in capitals', 'UNAUTHORIZED', async () => ({ username: 'AB'.repeat(16), clientId: 'AB'.repeat(16) })],
  [
    'a wrong secret of the server',
    'UNAUTHORIZED',
    async () => ({ username: 'distribution', clientId: 'distribution' }),
  ],
];

for (const [what, code, change] of REFUSALS) {
  test(`a login is refused with ${code}: ${what}`, async (t) => {
    const known = makeDevice();
    const gate = gateFor([known]);
    const credentials = { clientId: known.name, username: known.name, password: await known.login() };
    const refused = { ...credentials, ...(await change(known, makeDevice())) };
    t.is(codeOf(await t.throwsAsync(gate(refused))), code);
    // The refused login used up nothing.
    t.deepEqual(await gate(credentials), { role: 'device', deviceId: known.id, classId: known.record.classId });
  });
}

test('each counter is taken once, in rising order, and a revoked or unknown device not at all', async (t) => {
  const known = makeDevice();
  const gate = gateFor([known]);
  const withCounter = async (counter: number) => ({
    clientId: known.name,
    username: known.name,
    password: await known.login({ counter }),
  });
  await gate(await withCounter(5));
  t.is(codeOf(await t.throwsAsync(gate(await withCounter(5)))), 'BAD_COUNTER');
  t.is(codeOf(await t.throwsAsync(gate(await withCounter(4)))), 'BAD_COUNTER');
  await gate(await withCounter(6));
  known.record.revoked = true;
  t.is(codeOf(await t.throwsAsync(gate(await withCounter(7)))), 'REVOKED');
  const unknown = makeDevice();
  const credentials = { clientId: unknown.name, username: unknown.name, password: await unknown.login() };
  t.is(codeOf(await t.throwsAsync(gate(credentials))), 'NOT_FOUND');
});

test('two logins with one counter at the same moment: one is taken', async (t) => {
  const known = makeDevice();
  const gate = gateFor([known]);
  const password = await known.login();
  const both = [1, 2].map(() => gate({ clientId: known.name, username: known.name, password }));
  const results = await Promise.allSettled(both);
  t.is(results.filter((r) => r.status === 'fulfilled').length, 1);
});

test('login counters survive a restart, a torn last batch and compaction, and refuse a damaged one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'counters-'));
  const path = join(folder, 'logins');
  try {
    const [a, b] = [makeDevice().id, makeDevice().id];
    const first = await openLoginCounters(path, { compactRecords: 8 });
    await Promise.all([first.take(a, 7), first.take(b, 1)]);
    for (let i = 2; i < 12; i++) await first.take(b, i);
    await first.close();
    t.true((await stat(path)).size < 12 * 32, 'it was compacted');

    const second = await openLoginCounters(path);
    t.is(codeOf(await t.throwsAsync(second.take(a, 7))), 'BAD_COUNTER');
    t.is(codeOf(await t.throwsAsync(second.take(b, 11))), 'BAD_COUNTER');
    await second.take(a, 8);
    await second.take(a, 9);
    await second.close();
    const whole = await readFile(path);

    await truncate(path, whole.length - 3);
    const third = await openLoginCounters(path);
    t.is(codeOf(await t.throwsAsync(third.take(a, 8))), 'BAD_COUNTER');
    await third.take(a, 9);
    await third.close();
    t.deepEqual(await readFile(path), whole);

    for (const at of [3, 9, 25]) {
      await writeFile(path, flipped(whole, at));
      t.is(codeOf(await t.throwsAsync(openLoginCounters(path))), 'BAD_STORE', `byte ${at}`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a replayed login is refused on the wire, and a newer one takes the connection over', async (t) => {
  const bed = await makeBed(t);
  const device = bed.device();
  const password = Buffer.from(await device.login());
  const credentials = { clientId: device.name, username: device.name, password };
  const first = new RawClient(bed.delivery.port);
  t.is(await first.connect(credentials), 0);
  const thief = new RawClient(bed.delivery.port);
  t.is(await thief.connect(credentials), 5);
  await thief.ended();
  t.false(first.closed, 'the refused login did not push the device out');
  t.is(await first.subscribe(`ota/v1/d/${device.name}/frm`), 0);

  const second = new RawClient(bed.delivery.port);
  await second.loginAs(device);
  await first.ended();
  t.is(await second.subscribe(`ota/v1/d/${device.name}/frm`), 0);
  t.deepEqual(bed.delivery.metrics().denied, { BAD_COUNTER: 1 });
  await eventually(() => bed.delivery.metrics().loggedIn === 1);
  t.true(bed.delivery.disconnect(device.id));
  await second.ended();
  t.false(bed.delivery.disconnect(device.id));
});

function gateFor(devices: TestDevice[]) {
  return loginGate({
    brokerId: BROKER_ID,
    secret: SECRET,
    device: async (id) => devices.find((d) => d.name === hex(id))?.record,
    counters: memoryLoginCounters(),
    verifier,
  });
}

async function otherStatement(device: TestDevice): Promise<Uint8Array> {
  const value = ackValue({ deviceId: device.id, counter: 1, leafHash: new Uint8Array(32) });
  return signStatement((bytes) => verifier.sha256(bytes), 'ack', value, device.keys);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[(at + copy.length) % copy.length]! ^= 1;
  return copy;
}

test('a device that is revoked in the middle of its login does not come in', async (t) => {
  const device = makeDevice();
  const [begun, ready] = [gateOf(), gateOf()];
  const delivery = await createDelivery({
    brokerId: BROKER_ID,
    async authenticate() {
      begun.resolve();
      await ready.promise;
      return { role: 'device', deviceId: device.id, classId: device.record.classId };
    },
  });
  t.teardown(() => delivery.close());
  const client = new RawClient(delivery.port);
  const credentials = { clientId: device.name, username: device.name, password: Buffer.from('x') };
  const answer = client.connect(credentials);
  await begun.promise;
  t.false(delivery.disconnect(device.id), 'there is no connection yet');
  ready.resolve();
  t.is(await answer, 5, 'not authorized');
  t.is(delivery.metrics().denied.REVOKED, 1);

  const again = new RawClient(delivery.port);
  t.is(await again.connect(credentials), 0);
  t.true(delivery.disconnect(device.id));
  await eventually(() => again.closed);
});

test('the same at the door for HTTP', async (t) => {
  const device = makeDevice();
  const ready = gateOf();
  const door = new Door({
    mqtt: new FakeDelivery(),
    async authenticate() {
      await ready.promise;
      return { role: 'device', deviceId: device.id, classId: device.record.classId };
    },
  });
  const login = door.login('127.0.0.1', device.name, await device.login());
  door.disconnect(device.id);
  ready.resolve();
  t.is(codeOf(await t.throwsAsync(login)), 'REVOKED');
  const token = await door.login('127.0.0.1', device.name, await device.login());
  t.truthy(door.session(token, device.name));
  door.disconnect(device.id);
  t.is(codeOf(t.throws(() => door.session(token, device.name))), 'UNAUTHORIZED');
});

function gateOf() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}
