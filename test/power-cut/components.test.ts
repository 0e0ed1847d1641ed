/** Two components, both of one release whenever anything boots. The long suite cuts at every operation. */
import test from 'ava';
import { componentScene, cutComponents } from '../support/component-life.ts';

const BOARD = { writeBytes: 8, eraseBytes: 2048 };

for (const [title, passes, radio] of [
  ['an update of application and radio', true, 'changes'],
  ['a revert of application and radio', false, 'changes'],
  ['an update whose radio stays, and is copied', true, 'stays'],
] as const) {
  test(`${title}: a cut leaves both old or both new`, async (t) => {
    const cuts = await cutComponents(t, await componentScene(BOARD, passes, radio), 30);
    t.true(cuts > 6);
  });
}
