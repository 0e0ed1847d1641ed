import { align } from '@countersign/broker/delta/align';
import { applyDelta, makeDelta, makeDeltaInWorker, makeFull, makeFullInWorker } from '@countersign/broker/delta/index';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { CLASS_BYTES, CLASSES, readWholeHeader } from '@countersign/device-sdk/delta';
import { readSample, samples } from '@countersign/firmware-samples';
import test from 'ava';
import { programs } from '../support/code.ts';
import { decode, edited, image, joined } from '../support/delta.ts';
import { checkPadding, checkStrangers, checkWork, HARD_IMAGES } from '../support/hard-images.ts';

// One after another, with a turn for the runner between them: it takes a silent file for one that hangs.
test.beforeEach(() => new Promise<void>((resolve) => setImmediate(resolve)));

const none = new Uint8Array();
const base = image(10_000, 3);
const MB = 1 << 20;
const shapes: [string, Uint8Array, Uint8Array][] = [
  ['both empty', none, none],
  ['an empty old image', none, image(400, 1)],
  ['an empty new image', image(400, 1), none],
  ['one byte', Uint8Array.of(1), Uint8Array.of(1)],
  ['one other byte', Uint8Array.of(1), Uint8Array.of(2)],
  ['a changed image', base, edited(base, 9)],
  ['an image that grew at its front', base, joined([image(999, 8), base])],
  ['an image that lost its front', base, base.slice(999)],
  ['padding that the old image does not have', base, joined([base, new Uint8Array(20_000).fill(0xff)])],
  ['zeros', new Uint8Array(5000), new Uint8Array(7000)],
  ['nothing in common', image(5000, 21), image(5000, 22)],
];

for (const [why, old, fresh] of shapes) {
  test.serial(`round trip: ${why}`, (t) => {
    for (const name of CLASSES) {
      const { delta, info } = makeDelta(old, fresh, { class: name });
      t.is(Buffer.compare(decode(delta, info.kind === 'full' ? none : old), fresh), 0);
      const full = makeFull(fresh, { class: name });
      t.is(Buffer.compare(decode(full.delta, none), fresh), 0);
      t.true(delta.length <= full.delta.length);
      t.true(info.workspaceBytes <= CLASS_BYTES[name]);
      t.is(readWholeHeader(delta).class, name);
    }
  });
}

test.serial('identical images cost under 100 bytes, of any size', (t) => {
  const { delta } = makeDelta(base, base, { class: 'S' });
  t.true(delta.length < 100);
  t.deepEqual(decode(delta, base), base);
  t.true(makeDelta(image(MB / 4), image(MB / 4), { class: 'S' }).delta.length < 100);
});

test.serial('random bytes cost no more than a header and a command', (t) => {
  const { delta, info } = makeDelta(
    image(3000, 1),
    image(3000, 2).map((byte, i) => byte ^ (i * 97)),
    { class: 'L' },
  );
  t.is(info.kind, 'full');
  t.true(delta.length <= 3000 + 40);
});

test.serial('padding costs a few bytes', (t) => {
  const padded = joined([base, new Uint8Array(MB).fill(0xff)]);
  t.true(makeDelta(base, padded, { class: 'S' }).delta.length < 100);
});

test.serial('a delta larger than the full image ships as the full image', (t) => {
  const { info } = makeDelta(image(4000, 5), new Uint8Array(4000), { class: 'S' });
  t.is(info.kind, 'full');
});

test.serial('an alignment from elsewhere makes a delta of its own, and a useless one the full image', (t) => {
  const fresh = edited(base, 9);
  const copies = align(base, fresh, suffixArray(base));
  const made = makeDelta(base, fresh, { class: 'M', given: [{ name: 'bsdiff-node', copies }] });
  t.is(made.info.alignment, 'bsdiff-node');
  t.deepEqual(applyDelta(made.delta, base), fresh);
  const useless = makeDelta(base, image(900, 5), { class: 'M', given: [{ name: 'bsdiff-node', copies: [] }] });
  t.is(useless.info.alignment, 'none');
});

test.serial('checkpoints stand where they are asked for', (t) => {
  for (const checkpointBytes of [0, 4096, 8192]) {
    const { delta, info } = makeDelta(base, edited(base), { class: 'S', checkpointBytes });
    t.is(info.checkpointBytes, checkpointBytes);
    t.is(readWholeHeader(delta).checkpointBits, checkpointBytes === 0 ? 0 : Math.log2(checkpointBytes));
  }
  t.is(makeDelta(base, edited(base), { class: 'S', checkpointBytes: 32_768 }).info.checkpointBytes, 0);
});

test.serial('left to itself the encoder spends at most 3 % on checkpoints', (t) => {
  const fresh = edited(base);
  const free = makeDelta(base, fresh, { class: 'S', checkpointBytes: 0 }).delta.length;
  t.true(makeDelta(base, fresh, { class: 'S' }).delta.length <= free * 1.03125);
});

test.serial('a checkpoint interval that cannot be is the mistake of a programmer', (t) => {
  for (const checkpointBytes of [-1, 1000, 2048, 4097, 2 ** 29, Number.NaN])
    t.throws(() => makeDelta(base, base, { class: 'S', checkpointBytes }), { instanceOf: RangeError });
});

test.serial('a worker makes the same bytes and the loop goes on', async (t) => {
  const fresh = edited(base, 4);
  let ticks = 0;
  const ticking = setInterval(() => ticks++, 1);
  const [delta, full] = await Promise.all([
    makeDeltaInWorker(base, fresh, { class: 'M' }),
    makeFullInWorker(fresh, { class: 'M' }),
  ]);
  clearInterval(ticking);
  t.true(ticks > 0);
  const alone = makeDelta(base, fresh, { class: 'M' });
  t.deepEqual(delta.delta, alone.delta);
  t.deepEqual({ ...delta.info, notes: [] }, alone.info);
  t.deepEqual(full, makeFull(fresh, { class: 'M' }));
});

test.serial('a failure in a worker arrives with its code', async (t) => {
  const options = { class: 'S' as const, checkpointBytes: 5000 };
  await t.throwsAsync(makeDeltaInWorker(base, base, options), { message: /checkpointBytes/ });
});

test.serial('the suffix array sorts suffixes', (t) => {
  const texts = [none, Uint8Array.of(1), new Uint8Array(50), Uint8Array.of(1, 0, 1, 0, 1, 0), image(500, 2)];
  for (let seed = 1; seed < 200; seed++) texts.push(image(seed % 40, seed).map((byte) => byte % (1 + (seed % 4))));
  for (const text of texts) {
    const sorted = Array.from(text, (_, i) => i).sort((a, b) => Buffer.compare(text.subarray(a), text.subarray(b)));
    t.deepEqual([...suffixArray(text)], sorted);
  }
});

for (const [why, oldByte, newByte] of HARD_IMAGES) {
  test.serial(`aligning ${why} takes work in proportion to the bytes`, (t) => {
    checkWork(t, MB / 16, oldByte, newByte);
  });
}

test.serial('zeros and padding make a delta of some bytes', (t) => checkPadding(t, MB / 4));

for (const name of CLASSES) {
  test.serial(`class ${name}: a delta of images that have nothing in common is no larger than the full image`, (t) => {
    for (const bytes of [1, 300, 4000]) checkStrangers(t, name, bytes);
  });
}

test.serial('the firmware samples travel as small deltas', (t) => {
  const images = samples.filter(({ product }) => product === 'sensor-node');
  const [first, ...rest] = images;
  for (const next of [rest[0]!, rest.at(-1)!]) {
    const [old, fresh] = [readSample(next.product, first!.version), readSample(next.product, next.version)];
    const { delta } = makeDelta(old, fresh, { class: 'S' });
    t.is(Buffer.compare(decode(delta, old), fresh), 0);
    t.log(`${first!.version} to ${next.version}: ${fresh.length} → ${delta.length} bytes`);
    t.true(delta.length < fresh.length / 2);
  }
});

test('images in Node buffers are read and never changed', (t) => {
  const { old, fresh } = programs('xtensa', 60, 11);
  const [base, target] = [Buffer.from(old), Buffer.from(fresh)];
  const { delta } = makeDelta(base, target, { class: 'L' });
  t.is(Buffer.compare(base, old), 0);
  t.is(Buffer.compare(target, fresh), 0);
  t.deepEqual(decode(delta, old), fresh);
});
