/**
 * Devices with one slot through three releases, each losing its power at random again and again: none is ever without a
 * whole image when its boot stage says run, and when the storm is over all of them are on the newest.
 */
import { Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import { edited, image } from '../support/delta.ts';
import { type PocketRelease, PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const DEVICES = 12;
const CUTS = 6;

test('a fleet with one slot each goes from release to release through a storm of power cuts', async (t) => {
  const server = await PocketServer.create('M');
  const base = image(9_300, 3);
  const first = await server.publish(base);
  const devices = Array.from({ length: DEVICES }, () => new PocketDevice(server, first, { oneSlot: {} }));
  const images = [new Uint8Array([...image(700, 9), ...base]), edited(base, 7), base.subarray(300)];
  let before: PocketRelease = first;
  let cuts = 0;
  for (const [round, fresh] of images.entries()) {
    const release = await server.publish(fresh, { bases: [before], checkpointBytes: 4096, inPlace: true });
    for (const [number, device] of devices.entries()) {
      const random = new Prng('storm', round, number);
      const distance = () => random.below(70);
      const { power } = device.one!;
      power.cutAt(power.operations + distance(), 'during');
      device.cutAgain = Array.from({ length: CUTS - 1 }, distance);
      cuts += await device.startThroughCuts();
      power.disarm();
      await device.start();
      t.is(device.device!.state.running.sequence, release.manifest.sequence, `device ${number}, round ${round}`);
      t.is(Buffer.compare(device.runningImage(fresh.length), fresh), 0);
      t.is(device.device!.state.outbox.length, 0);
    }
    before = release;
  }
  t.true(cuts > DEVICES * images.length, `${cuts} cuts`);
  t.log(`${cuts} cuts`);
});
