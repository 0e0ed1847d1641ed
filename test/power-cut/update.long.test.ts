/** Every flash geometry of the rig: a cut before, during and after every operation of an update and of a revert. */
import { GEOMETRIES } from '@countersign/device-sdk/rig';
import test from 'ava';
import { cutEverywhere } from '../support/update-life.ts';

for (const [name, geometry] of Object.entries(GEOMETRIES)) {
  for (const passes of [true, false]) {
    test(`${passes ? 'an update' : 'a revert'} survives a cut at every operation on ${name}`, async (t) => {
      // Two banks of the journal need two erase blocks each.
      const storeBytes = Math.max(16_384, 4 * geometry.eraseBytes);
      t.log(`${await cutEverywhere(t, { ...geometry, storeBytes }, passes, true)} cuts`);
    });
  }
}
