/** What comes between a device and its update: its turn, a pause, an abort, the owner. */
import type { VetoStage } from '@countersign/device-sdk';
import { ABORTED, FRESHNESS, outcomeOf, PAUSED } from '@countersign/device-sdk/format';
import test from 'ava';
import { changed, junk, lying, MINUTE, pass, sequence, world } from '../support/hostile.ts';
import { PocketDevice } from '../support/pocket-device.ts';

test('garbage while a device waits for its turn does not cost it its turn; a pause does', async (t) => {
  for (const pause of [false, true]) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first);
    await device.start();
    const second = await server.publish(changed(first.image, 5), { bases: [first], rollout: { jitterSeconds: 3000 } });
    device.link!.events!.announcement(await server.announcement());
    await pass(device, 1000);
    device.link!.events!.announcement(junk(1));
    await pass(device, 1000);
    if (pause) {
      await server.roll(second, PAUSED);
      device.link!.events!.announcement(await server.announcement());
    }
    await pass(device, 3000 * 1000);
    t.is(device.board.boot.restartRequested, !pause);
    t.is(device.codes().includes('NOT_OPEN'), pause);
  }
});

test('a device without a clock asks for freshness again after its turn has come', async (t) => {
  const { server, first } = await world();
  let asked = 0;
  lying(server, (answer) => {
    if (answer.kind === FRESHNESS) asked++;
    return answer;
  });
  const device = new PocketDevice(server, first, { clock: false });
  await device.start();
  await server.publish(changed(first.image, 5), { bases: [first], rollout: { jitterSeconds: 600 } });
  device.link!.events!.announcement(await server.announcement());
  await pass(device, 10 * MINUTE);
  t.is(asked, 2);
  t.true(device.board.boot.restartRequested);
});

test('a pause that comes while the owner is asked about the restart stops the trial', async (t) => {
  const { server, first } = await world();
  let paused: Uint8Array | undefined;
  const allow = async (stage: VetoStage) => {
    if (stage === 'restart' && paused) device.link!.events!.announcement(paused);
    return true;
  };
  const device = new PocketDevice(server, first, { ports: { veto: { allow } } });
  await device.start();
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const open = await server.announcement();
  await server.roll(second, PAUSED);
  paused = await server.announcement();
  device.link!.events!.announcement(open);
  await pass(device, 10 * MINUTE);
  t.false(device.board.boot.restartRequested);
  t.is(device.device!.state.pending?.phase, 'staged');
  t.is(device.board.boot.record.trial, undefined);
});

test('a trial that waits for its restart is taken back when the rollout is aborted', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first], policy: 3 });
  await device.start();
  t.is(device.device!.state.pending?.phase, 'trial');
  await server.roll(second, ABORTED);
  device.link!.events!.announcement(await server.announcement());
  await pass(device, MINUTE);
  t.is(device.board.boot.record.trial, undefined, 'the loader has been told');
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'refused']);
  t.is(server.reports[1]!.code, 'NOT_OPEN');
  await device.start();
  t.is(sequence(device), 1);
  await server.roll(second);
  await device.start();
  await device.start();
  t.is(sequence(device), 2, 'a new rollout of it is taken');
});

test('an owner who hangs or breaks has said no, and the device goes on listening', async (t) => {
  const answers = [() => new Promise<boolean>(() => {}), () => Promise.reject(new Error('broken'))];
  for (const allow of [
    ...answers,
    () => {
      throw new Error('broken');
    },
  ]) {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { ports: { veto: { allow } } });
    await server.publish(changed(first.image, 5), { bases: [first] });
    await device.start();
    await pass(device, 2 * MINUTE);
    t.deepEqual([...new Set(device.codes())], ['VETO']);
    t.false(device.events.some((event) => event.kind === 'fault'));
  }
});
