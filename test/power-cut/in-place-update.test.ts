/**
 * Devices with one slot, each operation cut before, during or after it by turns. The long suite cuts in every phase, at
 * every operation of larger images, and of published ones.
 */

import { outcomeOf } from '@countersign/device-sdk/format';
import { Bricked, CUT_PHASES } from '@countersign/device-sdk/rig';
import test from 'ava';
import {
  cutEverywhere,
  cutOnce,
  cutSample,
  demandUpdated,
  deviceOf,
  dryRun,
  inPlaceScene,
  SMALL_PAIRS,
} from '../support/in-place-device.ts';
import type { PocketDeviceOptions } from '../support/pocket-device.ts';

const { backward, forward } = SMALL_PAIRS;
const [base, grown] = [backward.old, backward.fresh];

for (const direction of ['backward', 'forward'] as const) {
  test(`an update in place survives a cut at every operation (${direction})`, async (t) => {
    const scene = await inPlaceScene(SMALL_PAIRS[direction]);
    t.is(scene.direction, direction);
    t.log(`${await cutEverywhere(t, scene, 1)} cuts`);
  });

  test(`and a second cut soon after the first (${direction})`, async (t) => {
    const scene = await inPlaceScene(SMALL_PAIRS[direction]);
    const { from, to } = await dryRun(scene);
    for (let operation = from; operation < to; operation += 5) {
      await cutOnce(t, scene, operation, CUT_PHASES[operation % 3]!, operation % 7);
    }
  });

  test(`once staged, the link may be gone for ever (${direction})`, async (t) => {
    const scene = await inPlaceScene(SMALL_PAIRS[direction]);
    const { boot, to } = await dryRun(scene);
    for (let operation = boot; operation < to - 6; operation += 5) {
      const device = deviceOf(scene);
      device.told = ({ kind }) => {
        if (kind === 'restart') scene.server.gone = true;
      };
      device.one!.power.cutAt(operation, 'during');
      t.is(await device.startThroughCuts(), 1);
      t.is(Buffer.compare(device.runningImage(scene.fresh.length), scene.fresh), 0);
      t.is(device.device!.state.running.sequence, 2);
      t.deepEqual(
        scene.server.reports.map(outcomeOf).filter((outcome) => outcome !== 'trial'),
        [],
      );
      scene.server.gone = false;
      await device.start();
      demandUpdated(t, scene, device, `operation ${operation}`);
    }
  });
}

test('a delta with address prediction, in place: pump-monitor 3.0.1 to 3.1.0', (t) =>
  cutSample(t, 'pump-monitor', '3.0.1', '3.1.0', 59));

test('an image that fails its test stays, is told as it is, and is not tried again', async (t) => {
  const pair = { ...backward, options: { oneSlot: {}, passes: (version: string) => version !== '1.0.1' } };
  const scene = await inPlaceScene(pair);
  const device = deviceOf(scene);
  await device.start();
  t.is(Buffer.compare(device.runningImage(grown.length), grown), 0);
  const { state } = device.device!;
  t.is(state.running.sequence, 2);
  t.is(state.floor, 1, 'nothing was confirmed');
  const last = scene.server.reports.at(-1)!;
  t.is(outcomeOf(last), 'reverted');
  t.deepEqual(last.stages, [
    ['trial', 'SELF_TEST_FAILED'],
    ['revert', 'UNSUPPORTED'],
  ]);
  t.deepEqual(last.slotDigest, scene.second.manifest.image.digest, 'the report names what lies in the slot');
  const third = await scene.server.publish(base, { bases: [scene.second], checkpointBytes: 4096, inPlace: true });
  await device.start();
  t.is(device.device!.state.running.sequence, third.manifest.sequence, 'the next release mends it');
  t.is(Buffer.compare(device.runningImage(base.length), base), 0);
});

test('an image that never says that it works is started three times, and then waits for its maker', async (t) => {
  const options: PocketDeviceOptions = { oneSlot: {} };
  const scene = await inPlaceScene({ ...forward, options });
  const device = deviceOf(scene);
  const { power } = device.one!;
  options.passes = () => {
    power.cutAt(power.operations, 'before'); // its watchdog bites before a word of it is stored
    return true;
  };
  await t.throwsAsync(() => device.startThroughCuts(), { instanceOf: Bricked });
  t.is(device.boots, 1 + 3 + 1, 'the old image, three trials, and a last look of the boot stage');
  t.is(power.cuts, 3);
  t.throws(() => device.one!.boot.boot(), { instanceOf: Bricked });
});
