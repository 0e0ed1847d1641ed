/**
 * A power cut at every operation of an A/B update and of a revert, before, during or after it by turns: the old or the
 * new image, never neither, and it finishes afterwards. The long suite tries each phase, on every geometry of the rig.
 */
import test from 'ava';
import { cutEverywhere } from '../support/update-life.ts';

for (const passes of [true, false]) {
  test(`${passes ? 'an update' : 'a revert'} survives a cut at every operation`, async (t) => {
    t.log(`${await cutEverywhere(t, { writeBytes: 8, eraseBytes: 1024 }, passes, false)} cuts`);
  });
}
