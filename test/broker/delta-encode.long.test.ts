/** Large images that are hard on an encoder. */
import { makeDelta } from '@countersign/broker/delta/index';
import { readSample, samples } from '@countersign/firmware-samples';
import test from 'ava';
import { decode, image } from '../support/delta.ts';
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

test.serial('every sample of a product travels as a small delta from the first', (t) => {
  const [first, ...rest] = samples.filter(({ product }) => product === 'sensor-node');
  const old = readSample(first!.product, first!.version);
  for (const next of rest) {
    const fresh = readSample(next.product, next.version);
    const { delta } = makeDelta(old, fresh, { class: 'S' });
    t.is(Buffer.compare(decode(delta, old), fresh), 0);
    t.log(`${first!.version} to ${next.version}: ${fresh.length} → ${delta.length} bytes`);
    t.true(delta.length < fresh.length / 2);
  }
});
