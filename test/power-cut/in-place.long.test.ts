/** Devices with one slot: every operation of an update on several flash geometries. */

import { GEOMETRIES } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { cutEverywhere, cutSample, inPlaceScene, SMALL_PAIRS } from '../support/in-place-device.ts';

const oneSlot = {
  slotBytes: 0,
  scratchBytes: 16_384,
  stagingBytes: 32_768,
  storeBytes: 32_768,
  workspaceBytes: 16_384,
};
const options = (part: object) => ({
  oneSlot: { ...GEOMETRIES.nrf52, ...oneSlot, ...part },
  ports: { workspace: new Uint8Array(16_384), memoryClass: 'L' as const },
});

for (const [name, geometry] of Object.entries(GEOMETRIES)) {
  const [from, to] = ['3.0.1', '3.1.0'];
  // A page is at least one erase block of the part.
  const pageBytes = Math.max(8192, geometry.eraseBytes);
  if (pageBytes > 65_536) continue;
  test(`a sample in place survives a cut at every operation on ${name}`, async (t) => {
    const scene = await inPlaceScene({
      old: readSample('pump-monitor', from),
      fresh: readSample('pump-monitor', to),
      memoryClass: 'L',
      pageBytes,
      options: options({
        ...geometry,
        slotBytes: 49_152,
        scratchBytes: pageBytes,
        storeBytes: 4 * Math.max(8192, geometry.eraseBytes),
      }),
    });
    t.log(`${scene.direction}, ${await cutEverywhere(t, scene)} cuts`);
  });
}

for (const direction of ['backward', 'forward'] as const) {
  test(`an update in place survives a cut at every operation, in each phase (${direction})`, async (t) => {
    const scene = await inPlaceScene(SMALL_PAIRS[direction]);
    t.is(scene.direction, direction);
    t.log(`${await cutEverywhere(t, scene)} cuts`);
  });
}

test('a delta with address prediction, in place: sensor-node 1.0.1 to 1.1.0', (t) =>
  cutSample(t, 'sensor-node', '1.0.1', '1.1.0', 29));
