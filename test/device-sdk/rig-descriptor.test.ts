import {
  encodeDescriptor,
  findDescriptor,
  PagePool,
  Prng,
  passesSelfTest,
  VirtualFlash,
} from '@countersign/device-sdk/rig';
import test from 'ava';

const sample = { product: 'lamp', version: '2.1.0', failsOn: ['B', 'rev-C'] };
const bytes = encodeDescriptor(sample);

test('a descriptor is laid out byte for byte as documented', (t) => {
  const small = encodeDescriptor({ product: 'p', version: '1', failsOn: ['B'] });
  t.is(Buffer.from(small).toString('latin1'), 'CSGN-DESCRIPTOR1\x07\x00\x01p\x011\x01\x01B');
});

test('a descriptor is found anywhere in an image, across the borders of chunks', (t) => {
  for (const at of [0, 1, 8190, 8192 - bytes.length, 12000, 16384 - bytes.length]) {
    const image = new Uint8Array(16384);
    image.set(bytes, at);
    t.deepEqual(findDescriptor(image), sample);
    const flash = new VirtualFlash({ bytes: 32768, writeBytes: 4, eraseBytes: 4096, pool: new PagePool() });
    flash.load(0, image);
    t.deepEqual(findDescriptor(flash), sample);
  }
});

const set = (at: number, byte: number) => bytes.with(at, byte);
const broken: [string, Uint8Array][] = [
  ['no magic', set(3, 0)],
  ['a length that is too long', set(16, bytes[16]! + 1)],
  ['a length that is too short', set(16, bytes[16]! - 1)],
  ['a length beyond the image', set(17, 0xff)],
  ['a text longer than the rest', set(18, 64)],
  ['a text longer than any text may be', set(18, 255)],
  ['more revisions than follow', set(18 + 5 + 6, 3)],
  ['a control character in a text', set(19, 0x1b)],
  ['the end cut off', bytes.subarray(0, bytes.length - 1)],
  ['nothing after the magic', bytes.subarray(0, 16)],
];

for (const [what, image] of broken) {
  test(`a descriptor with ${what} counts as absent`, (t) => {
    t.is(findDescriptor(image), undefined);
  });
}

test('bytes that only look like a descriptor do not hide the real one', (t) => {
  const image = new Uint8Array([...bytes.subarray(0, 18), 255, ...bytes]);
  t.deepEqual(findDescriptor(image), sample);
});

test('the self-test fails on exactly the named revisions, and passes without a descriptor', (t) => {
  t.false(passesSelfTest(sample, 'B'));
  t.true(passesSelfTest(sample, 'A'));
  t.true(passesSelfTest(undefined, 'B'));
});

test('a text that does not fit a descriptor is wrong use', (t) => {
  t.throws(() => encodeDescriptor({ ...sample, product: 'x'.repeat(65) }), { instanceOf: RangeError });
  t.throws(() => encodeDescriptor({ ...sample, version: 'é' }), { instanceOf: RangeError });
  t.throws(() => encodeDescriptor({ ...sample, failsOn: new Array(17).fill('A') }), { instanceOf: RangeError });
});

test('generators of equal parts agree, of other parts do not, and numbers stay in their bounds', (t) => {
  const draw = (...parts: (number | string)[]) => {
    const random = new Prng(...parts);
    return Array.from({ length: 8 }, () => random.next());
  };
  t.deepEqual(draw('seed', 7, 1), draw('seed', 7, 1));
  const all = [draw('seed', 7, 1), draw('seed', 7, 2), draw('seed', 71), draw('seed', '71'), draw('seee', 7, 1)];
  t.is(new Set(all.flat()).size, 40);
  const random = new Prng('bounds');
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]++;
  t.true(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(),
  );
  t.throws(() => random.below(0), { instanceOf: RangeError });
});

test('the generator gives the same numbers on every machine and in every version', (t) => {
  const random = new Prng('countersign', 1);
  t.deepEqual([random.next(), random.next(), random.next()], PINNED);
});

const PINNED = [3073621228, 2262598566, 4077656241];
