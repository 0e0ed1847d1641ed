/** Devices with one slot: every operation of larger images on several flash geometries, and published releases. */

import { GEOMETRIES } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { firmwarePair } from '../support/firmware.ts';
import { cutEverywhere, dryRun, inPlaceScene } from '../support/in-place-device.ts';

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

for (const [name, slotBytes] of [
  ['m4-pybv11-1line', 393_216],
  ['esp8266-upy-1.9.4-1.10', 655_360],
  ['esp32-wled-0.14.1-0.14.2', 1_310_720],
] as const) {
  const pair = firmwarePair(name);
  (pair ? test : test.skip)(`published releases in place survive cuts all over the update: ${name}`, async (t) => {
    const scene = await inPlaceScene({
      ...pair!,
      memoryClass: 'L',
      pageBytes: 16_384,
      options: options({ slotBytes, stagingBytes: 131_072 }),
    });
    const { from, to } = await dryRun(scene);
    const cuts = await cutEverywhere(t, scene, Math.ceil((to - from) / 60));
    t.log(`${scene.direction}, ${to - from} operations, ${cuts} cuts`);
  });
}
