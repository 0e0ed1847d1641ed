/** Reports and their acknowledgements: other bytes, full outboxes, power that goes. */
import { ackValue, leafHash, outcomeOf, signStatement } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { changed, HOUR, image, pass, sequence, world } from '../support/hostile.ts';
import { verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;

test('an acknowledgement of other bytes with the same counter is not taken', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const { deviceId } = device;
  const value = ackValue({ deviceId, counter: 1, leafHash: leafHash(sha256, new Uint8Array(200)) });
  device.link!.events!.command(await signStatement(sha256, 'ack', value, server.signers.command));
  t.is(device.device!.state.outbox.length, 2);
});

test('outcomes that meet a full outbox are told when there is room again', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first, { passes: (version) => version !== '1.0.5' });
  let last = first;
  for (let i = 1; i <= 5; i++) {
    last = await server.publish(changed(first.image, i), { bases: [last] });
    await device.start();
  }
  t.is(device.device!.state.outbox.length, 8, 'four updates have filled it, the fifth was reverted');
  t.is(sequence(device), 5);
  server.acknowledges = true;
  await device.start();
  await pass(device, HOUR);
  t.is(device.device!.state.outbox.length, 0);
  const counters = server.reports.map((report) => report.counter);
  t.deepEqual(
    counters,
    [...counters.keys()].map((i) => i + 1),
    'the chain has no gap',
  );
  t.is(outcomeOf(server.reports.at(-1)!), 'reverted');
  t.is(server.reports.at(-1)!.code, 'SELF_TEST_FAILED');
});

test('a report that power took away after the last branch failed is made up for, once', async (t) => {
  const { server, first } = await world();
  const key = nodeKeyStore(-19, new Uint8Array(32).fill(42));
  let broken = true;
  const sign = async (message: Uint8Array) => {
    if (broken && Buffer.from(message).includes('countersign-report')) throw new Error('the power is gone');
    return key.sign(message);
  };
  const device = new PocketDevice(server, first, { ports: { keys: { ...key, sign } } });
  const { branches } = (await server.publish(image(13))).manifest;
  server.releases.pop();
  await server.publish(changed(first.image, 5), { change: { branches } });
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  t.is(device.device!.state.failed[0]?.count, 2, 'the only branch carries another image');
  t.deepEqual(server.reports, []);
  broken = false;
  for (let boot = 0; boot < 2; boot++) {
    await device.start();
    t.deepEqual(
      server.reports.map((report) => report.code),
      ['FAILED_BEFORE'],
    );
  }
});

test('two refusals in turn are reported once each', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { ports: { workspace: new Uint8Array(16) } });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const good = await server.announcement();
  server.time -= 100_000;
  server.entries.push(new Uint8Array(40));
  const stale = await server.announcement();
  server.time += 100_000;
  for (let i = 0; i < 6; i++) {
    server.entries.push(new Uint8Array(40));
    for (const bytes of [stale, stale, await server.announcement(), good]) {
      device.link!.events!.announcement(bytes);
      await pass(device, 10_000);
    }
  }
  t.is(server.reports.filter((report) => report.code === 'NO_MEMORY').length, 1);
  t.true(server.reports.length <= 2);
});
