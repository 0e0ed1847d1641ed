/** A device that is away for days: it goes on where it stopped, under a head of today. */
import { FRAMES, readRequest } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import { type PocketRelease, PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const DAY_MS = 86_400_000;
const IMAGE = new Prng('days').bytes(12_000);

/** Counts frames that are asked for, and takes the power away before the one with this number. */
function watched(server: PocketServer, device: PocketDevice) {
  const seen = { frames: 0, cutAt: Number.POSITIVE_INFINITY };
  const answers = server.answers.bind(server);
  server.answers = async (bytes) => {
    const request = readRequest(bytes);
    if (request.kind === FRAMES) {
      seen.frames += request.count;
      if (seen.frames >= seen.cutAt) device.board.power.cutAt(device.board.power.operations, 'during');
    }
    return answers(bytes);
  };
  return seen;
}

async function halfFetched(days: number) {
  const server = await PocketServer.create('M');
  const first = await server.publish(IMAGE.subarray(0, 5_000));
  const device = new PocketDevice(server, first);
  const second: PocketRelease = await server.publish(IMAGE, { checkpointBytes: 4096 });
  const all = second.manifest.branches[0]!.payload.frameCount;
  const seen = watched(server, device);
  seen.cutAt = Math.ceil(all * 0.8);
  await device.start().catch(() => undefined);
  const before = seen.frames;
  seen.cutAt = Number.POSITIVE_INFINITY;
  device.board.power.restorePower();
  device.time.now += days * DAY_MS;
  server.time += (days * DAY_MS) / 1000;
  return { server, device, second, seen, before, all };
}

for (const days of [1, 5, 400]) {
  test(`after ${days} days without power a fetch goes on where it was, and does not begin again`, async (t) => {
    const { device, second, seen, before, all } = await halfFetched(days);
    t.true(before >= all * 0.8);
    t.is(device.device?.state.running.sequence ?? 1, 1);
    await device.start();
    t.is(device.device!.state.running.sequence, 2);
    t.deepEqual(device.runningImage(IMAGE.length), second.image);
    const again = seen.frames - before;
    t.true(again < all * 0.75, `${again} of ${all} frames were asked for after the pause`);
    t.is(device.device!.state.outbox.length, 0);
  });
}

test('a release that was withdrawn meanwhile is not gone on with, and the one in its place is installed', async (t) => {
  const { server, device } = await halfFetched(5);
  const third = await server.publish(
    IMAGE.map((byte, i) => (i % 997 === 3 ? byte ^ 1 : byte)),
    { version: '2.0.0' },
  );
  await device.start();
  t.is(device.device!.state.running.sequence, 3);
  t.deepEqual(device.runningImage(IMAGE.length), third.image);
  t.is(device.device!.state.pending, undefined);
});

test('a head of days ago starts nothing after the pause, and the device says why', async (t) => {
  const { server, device } = await halfFetched(5);
  server.time -= (5 * DAY_MS) / 1000;
  await device.start();
  t.is(device.device!.state.running.sequence, 1);
  t.true(device.codes().includes('FREEZE'), device.codes().join());
  server.time += (5 * DAY_MS) / 1000;
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});
