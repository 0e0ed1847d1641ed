/**
 * One key, one role; one signature, one meaning. Every kind of statement by every key is tried in every place where a
 * server takes statements, with the very content that would be taken there: only its own kind by its own role passes.
 */
import { submitUpload } from '@countersign/broker/collection/upload';
import { memoryLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { loginGate } from '@countersign/broker/distribution/delivery/login';
import { deviceCache } from '@countersign/broker/distribution/devices';
import { intake } from '@countersign/broker/distribution/intake/intake';
import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { queryRoutes } from '@countersign/broker/face/api/query-routes';
import { tokenGate } from '@countersign/broker/face/api/token';
import { enrolDevicesArgs } from '@countersign/broker/ledger/contract/args';
import type { BlobStore } from '@countersign/broker/store/blobs';
import {
  decode,
  hex,
  type Kind,
  loginValue,
  OPEN,
  publicKeyOf,
  readStatement,
  rolloutValue,
  signStatement,
  transactionValue,
  type Value,
} from '@countersign/device-sdk/format';
import test from 'ava';
import {
  CLASS,
  DEVICES_OBJECT,
  newDevice,
  newRelease,
  newSigner,
  nextReport,
  ORIGIN,
  planOf,
  previousOf,
  sha256,
  statementOf,
  verifier,
} from '../broker/ledger-world.ts';
import { blocksAndHeads, codeFrom, STRANGE, setting, tried } from '../support/every-kind.ts';
import { FakeDelivery } from '../support/fake-delivery.ts';

const TOKEN = 'a-token-for-this-test';
const BROKER = 'broker.test';

for (const path of ['/api/v1/transactions', '/api/v1/ledger/transactions']) {
  test(`POST ${path} takes transactions of people and services, reports of devices, rollouts by the command key`, async (t) => {
    const all = await setting(t);
    const { world, device, release } = all;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const app = createApi({ server: 'test', gate: tokenGate(TOKEN), log });
    t.teardown(() => app.close());
    await app.register(queryRoutes({ ledger: world.ledger }));
    await app.register(ledgerRoutes(world.ledger));
    const post = async (bytes: Uint8Array): Promise<string> => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/cbor' };
      const { statusCode, body } = await app.inject({
        method: 'POST',
        url: path,
        headers,
        payload: Buffer.from(bytes),
      });
      return statusCode === 200 ? 'OK' : JSON.parse(body).code;
    };
    const devices = enrolDevicesArgs({
      classId: CLASS,
      devices: [{ id: newDevice().id, key: publicKeyOf(newSigner()) }],
    });
    const previous = await previousOf(world, DEVICES_OBJECT);
    const enrol = transactionValue({
      channel: ORIGIN,
      action: 'enrol',
      object: DEVICES_OBJECT,
      previous,
      args: devices,
    });
    const report = decode(readStatement(await nextReport({ ...device }), 'report').payload);
    const rollout = rolloutValue(statementOf(planOf(release), 1, OPEN));
    const slots: [Kind, Value, string[]][] = [
      ['tx', enrol, ['service', 'alice', 'bob']],
      ['report', report, ['device']],
      ['rollout', rollout, ['command']],
    ];
    const before = (await world.ledger.head()).head.size;
    const honest: Uint8Array[] = [];
    for (const [slot, payload, allowed] of slots) {
      for await (const { kind, who, bytes } of tried(payload, slot, all)) {
        const own = kind === slot && allowed.includes(who);
        if (own) honest.push(bytes);
        else {
          const code = await post(bytes);
          t.true(STRANGE.has(code), `${kind} by ${who} with the content of a ${slot}: ${code}`);
        }
      }
    }
    for (const [what, bytes] of await blocksAndHeads(all)) {
      const code = await post(bytes);
      // A trust root may be an entry; this one stands in the ledger already.
      const held = what === 'the trust root' ? code === 'DUPLICATE' : STRANGE.has(code);
      t.true(held, `${what}: ${code}`);
    }
    t.is((await world.ledger.head()).head.size, before);
    // Three may enrol: the first of them does, and the others come too late for the same object.
    const codes: string[] = [];
    for (const bytes of honest) codes.push(await post(bytes));
    t.deepEqual(codes.sort(), ['CONFLICT', 'CONFLICT', 'OK', 'OK', 'OK']);
  });
}

test('the intake logs and acknowledges reports by the device itself and nothing else', async (t) => {
  const all = await setting(t);
  const { world, device } = all;
  const delivery = new FakeDelivery();
  let ms = 0;
  const clock = { now: () => world.clock.now, elapsedMs: () => (ms += 1000), after: () => () => undefined };
  const log = { debug() {}, info() {}, warn() {}, error: (fields: unknown) => t.fail(JSON.stringify(fields)) };
  const devices = deviceCache(world.ledger, clock);
  const server = intake({ verifier, ledger: world.ledger, devices, delivery, command: world.keys.command, clock, log });
  const report = await nextReport({ ...device });
  const payload = decode(readStatement(report, 'report').payload);
  const before = (await world.ledger.head()).head.size;
  let attempts = 0;
  const take = async (bytes: Uint8Array) => {
    server.take(device.id, bytes);
    await server.settled();
    attempts++;
  };
  for await (const { kind, who, bytes } of tried(payload, 'report', all))
    if (!(kind === 'report' && who === 'device')) await take(bytes);
  for (const [, bytes] of await blocksAndHeads(all)) await take(bytes);
  t.is((await world.ledger.head()).head.size, before);
  t.deepEqual(delivery.sent, []);
  const { refused, dropped } = server.counts();
  t.deepEqual(
    Object.keys(refused).filter((code) => !STRANGE.has(code)),
    [],
  );
  t.is(
    Object.values(refused).reduce<number>((sum, n) => sum + n!, dropped),
    attempts,
  );
  await take(report);
  t.is(server.counts().acknowledged, 1);
});

test('a login is a login by the device itself and nothing else', async (t) => {
  const all = await setting(t);
  const { device } = all;
  const record = { key: publicKeyOf(device.signer), classId: CLASS, revoked: false };
  const gate = loginGate({
    brokerId: BROKER,
    secret: 'sixteen characters',
    device: async () => record,
    counters: memoryLoginCounters(),
    verifier,
  });
  const login = (password: Uint8Array) =>
    codeFrom(gate({ clientId: hex(device.id), username: hex(device.id), password }));
  const payload = loginValue({ deviceId: device.id, brokerId: BROKER, counter: 1 });
  for await (const { kind, who, bytes } of tried(payload, 'login', all)) {
    if (kind === 'login' && who === 'device') continue;
    t.true(STRANGE.has(await login(bytes)), `${kind} by ${who}`);
  }
  for (const [what, bytes] of await blocksAndHeads(all)) t.true(STRANGE.has(await login(bytes)), what);
  t.is(await login(await signStatement(sha256, 'login', payload, device.signer)), 'OK');
});

test('the collection server passes on uploads by an engineer and nothing else', async (t) => {
  const all = await setting(t);
  const { world } = all;
  const next = await newRelease(world, 2, all.release.leaf);
  const blobs = { has: async () => true, frames: async () => [] } as unknown as BlobStore;
  const parts = { ledger: world.ledger, blobs, verifier, signer: world.keys.collection };
  const payload = transactionValue({
    channel: ORIGIN,
    action: 'upload',
    object: next.leaf,
    previous: new Uint8Array(32),
    args: next.args,
  });
  const before = (await world.ledger.head()).head.size;
  for await (const { kind, who, bytes } of tried(payload, 'tx', all)) {
    if (kind === 'tx' && who === 'alice') continue;
    const code = await codeFrom(submitUpload(parts, bytes));
    t.true(STRANGE.has(code), `${kind} by ${who}: ${code}`);
  }
  for (const [what, bytes] of await blocksAndHeads(all))
    t.true(STRANGE.has(await codeFrom(submitUpload(parts, bytes))), what);
  t.is((await world.ledger.head()).head.size, before);
  t.is(await codeFrom(submitUpload(parts, await signStatement(sha256, 'tx', payload, world.people.alice!))), 'OK');
});
