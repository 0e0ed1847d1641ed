/** Large images that are hard on an encoder. */
import { makeDelta } from '@countersign/broker/delta/index';
import test from 'ava';
import { image } from '../support/delta.ts';
import { checkPadding, checkWork, HARD_IMAGES } from '../support/hard-images.ts';

const MB = 1 << 20;

for (const [why, oldByte, newByte] of HARD_IMAGES) {
  test.serial(`aligning a megabyte of ${why} takes work in proportion to the bytes`, (t) =>
    checkWork(t, MB, oldByte, newByte),
  );
}

test.serial('16 MB of zeros and of padding make a delta of some bytes', (t) => checkPadding(t, 16 * MB));

test.serial('2 MB of identical images cost under 100 bytes', (t) => {
  t.true(makeDelta(image(2 * MB), image(2 * MB), { class: 'S' }).delta.length < 100);
});
