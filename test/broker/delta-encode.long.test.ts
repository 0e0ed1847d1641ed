/** Large images that are hard on an encoder. */
import { makeDelta } from '@countersign/broker/delta/index';
import { CLASSES, type MemoryClass } from '@countersign/device-sdk/delta';
import { readSample, samples } from '@countersign/firmware-samples';
import test from 'ava';
import { decode, image } from '../support/delta.ts';
import { firmwarePair } from '../support/firmware.ts';
import { checkPadding, checkStrangers, checkWork, HARD_IMAGES } from '../support/hard-images.ts';

const MB = 1 << 20;

for (const [why, oldByte, newByte] of HARD_IMAGES) {
  test.serial(`aligning a megabyte of ${why} takes work in proportion to the bytes`, (t) =>
    checkWork(t, MB, oldByte, newByte),
  );
  test.serial(`aligning an eighth of a megabyte of ${why} takes work in proportion to the bytes`, (t) =>
    checkWork(t, MB / 8, oldByte, newByte),
  );
}

for (const name of CLASSES) {
  test.serial(`class ${name}: 60 KB that have nothing in common with the old image are a full image`, (t) =>
    checkStrangers(t, name, 60_000),
  );
}

for (const bytes of [MB, 16 * MB]) {
  test.serial(`${bytes} bytes of zeros and of padding make a delta of some bytes`, (t) => checkPadding(t, bytes));
}

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

/** Upper bounds are what was measured, rounded up by some percent: the encoder must not fall behind itself. */
const pairs: [string, MemoryClass, number][] = [
  ['avr-pixelfirmata-0.10.0-0.10.5', 'S', 10_900],
  ['a64-atf-rpi4-2.8-2.12', 'L', 14_300],
  ['m4-pybv11-1line', 'S', 9_400],
];
for (const [name, memoryClass, most] of pairs) {
  test.serial(`real firmware: ${name}`, (t) => {
    const pair = firmwarePair(name);
    if (pair === undefined) return t.pass('the firmware pairs are not beside this checkout');
    const { delta } = makeDelta(pair.old, pair.fresh, { class: memoryClass });
    t.is(Buffer.compare(decode(delta, pair.old), pair.fresh), 0);
    t.true(delta.length <= most, `${delta.length} bytes`);
  });
}
