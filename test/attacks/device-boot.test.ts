/** Images that do not come up, self-tests that break, and boot loaders that go their own way. */
import { Device } from '@countersign/device-sdk';
import { outcomeOf } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { changed, HOUR, MINUTE, pass, sequence, world } from '../support/hostile.ts';
import { verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;

/** Power goes after the journal has confirmed, and before the loader hears of it. */
async function diesAtConfirm(t: ExecutionContext, device: PocketDevice): Promise<void> {
  const { boot } = device.board;
  const confirm = boot.confirm.bind(boot);
  boot.confirm = () => {
    throw new Error('the power is gone');
  };
  await t.throwsAsync(() => device.start(), { message: 'the power is gone' });
  boot.confirm = confirm;
}

test('a self-test that throws or hangs ends in a revert with its reason', async (t) => {
  for (const [code, selfTest] of [
    [
      'SELF_TEST_FAILED',
      () => {
        throw new Error('broken');
      },
    ],
    ['TRIAL_TIMEOUT', () => new Promise<boolean>(() => {})],
  ] as const) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { ports: { health: { selfTest, deadlineMs: 1000 } } });
    await server.publish(changed(first.image, 5), { bases: [first] });
    const timer = setInterval(() => device.time.step(), 1);
    await device.start();
    clearInterval(timer);
    t.is(sequence(device), 1);
    t.is(server.reports[1]?.code, code);
  }
});

test('an image that never comes up is tried twice, reported, and never again', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first], policy: 3 });
  await device.start();
  for (let crash = 0; crash < 2; crash++) {
    t.is(device.device!.state.pending?.phase, 'trial');
    await device.device!.stop();
    t.is(device.board.boot.boot().trial, true, 'the loader jumps into it, and nothing comes back');
    await device.start();
  }
  t.is(device.device!.state.pending, undefined);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'trial', 'reverted']);
  t.is(server.reports[2]!.code, 'BOOT_FAILED');
  device.link!.events!.announcement(await server.announcement());
  await pass(device, HOUR);
  t.true(device.codes().includes('FAILED_BEFORE'));
  t.is(device.board.boot.record.trial, undefined);
  t.is(server.reports.length, 3);
});

test('an image that was confirmed and then never boots again is told to the loader three times, and given up', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  await diesAtConfirm(t, device);
  t.is(device.device!.state.floor, 2, 'the journal has confirmed');
  const start = boot.boot.bind(boot);
  let crashes = 0;
  let crashing = true;
  boot.boot = () => {
    let booted = start();
    for (; crashing && booted.slot === 1; booted = start()) crashes++;
    return booted;
  };
  for (let restarts = 0; restarts < 3; restarts++) await device.start();
  t.is(crashes, 3);
  const { running, floor, handover } = device.device!.state;
  t.is(running.sequence, 1);
  t.is(floor, 2, 'nothing below what was confirmed is installed; what runs is not stopped');
  t.is(handover, undefined);
  t.deepEqual(device.runningImage(first.image.length), first.image);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated', 'reverted']);
  const said = server.reports[2]!;
  t.is(said.code, 'BOOT_FAILED');
  t.deepEqual(said.rolloutId, server.reports[1]!.rolloutId);
  t.deepEqual(said.slotDigest, sha256(first.image));
  device.link!.events!.announcement(await server.announcement());
  await pass(device, HOUR);
  t.true(device.codes().includes('FAILED_BEFORE'));
  t.is(server.reports.length, 3);
  crashing = false;
  await server.publish(changed(first.image, 6), { bases: [second, first] });
  await device.start();
  t.is(sequence(device), 3, 'the next release is taken, by the delta from what runs');
});

test('a loader that went back after a confirmation is told again, and the image is kept', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  await diesAtConfirm(t, device);
  await device.start();
  t.is(sequence(device), 2);
  t.is(boot.record.good, 1);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated']);
  await server.publish(changed(first.image, 6), { bases: [server.releases[1]!] });
  await device.start();
  t.is(sequence(device), 3);
});

test('a slot that does not hold what the journal confirmed is never given to the loader', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  const { boot } = device.board;
  await diesAtConfirm(t, device);
  device.board.slots[1].corrupt(100, 0x01);
  await device.start();
  t.is(sequence(device), 1);
  t.is(boot.record.trial, undefined);
  t.is(server.reports.at(-1)!.code, 'RESULT_MISMATCH');
});

test('a second device on the same flash stops the first', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const older = device.device!;
  const again = new PocketDevice(server, first, { ports: { store: device.board.store, slots: device.board.slots } });
  await again.start();
  const before = device.board.power.operations;
  await server.publish(changed(first.image, 5), { bases: [first] });
  device.link!.events!.announcement(await server.announcement());
  await pass(device, MINUTE);
  t.is(device.board.power.operations, before, 'the first writes nothing more');
  t.is(older.state.running.sequence, 1);
  t.true(again.device instanceof Device);
});
