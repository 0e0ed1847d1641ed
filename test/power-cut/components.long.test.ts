/** Every operation of a two-component install, before, during and after, on every geometry of the rig. */
import { GEOMETRIES } from '@countersign/device-sdk/rig';
import test from 'ava';
import { componentScene, cutComponents } from '../support/component-life.ts';

for (const [name, { writeBytes, eraseBytes }] of Object.entries(GEOMETRIES)) {
  const board = { writeBytes, eraseBytes, slotBytes: 16_384, storeBytes: Math.max(16_384, 4 * eraseBytes) };
  for (const [title, passes, radio] of [
    ['update', true, 'changes'],
    ['revert', false, 'changes'],
    ['update with a radio that stays', true, 'stays'],
  ] as const) {
    test(`${name}, ${title}: whatever boots after a cut is of one release`, async (t) => {
      const cuts = await cutComponents(t, await componentScene(board, passes, radio));
      t.true(cuts > 75);
    });
  }
}
