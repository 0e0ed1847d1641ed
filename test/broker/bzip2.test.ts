import { spawnSync } from 'node:child_process';
import { BzipReader } from '@countersign/broker/delta/bzip2/reader';
import { bzip } from '@countersign/broker/delta/bzip2/writer';
import { Refusal } from '@countersign/device-sdk';
import test from 'ava';
import { image } from '../support/delta.ts';
import { Chance, mutate } from '../support/mutate.ts';

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const cyclic = (unit: string, bytes: number): Uint8Array => new Uint8Array(Buffer.alloc(bytes, unit, 'latin1'));

/** The shapes on which block sorting, runs and codes have their corners. */
const CASES: Record<string, Uint8Array> = {
  empty: new Uint8Array(),
  'one byte': bytesOf('a'),
  'four equal bytes': bytesOf('aaaa'),
  'a run and another byte': bytesOf('aaaaab'),
  'the longest counted run': cyclic('x', 255),
  'one more': cyclic('x', 256),
  'runs back to back': cyclic('x', 1021),
  'a word and its square': bytesOf('bananabanana'),
  'a period of two': cyclic('ab', 50_000),
  'a period of eight': cyclic('abcabcab', 65_536),
  'all byte values': Uint8Array.from({ length: 4096 }, (_, i) => (i * 167) & 255),
  zeros: new Uint8Array(1_000_000),
  'two blocks': image(1_000_000, 3),
};

/** Behind the four bytes of the stream's head and the six with which a block begins. */
const BLOCK_CRC_AT = 10;

function unpack(packed: Uint8Array, most: number): Uint8Array {
  const reader = new BzipReader(packed);
  const out = new Uint8Array(most);
  const count = reader.read(out);
  reader.finish();
  return out.subarray(0, count);
}

for (const [name, bytes] of Object.entries(CASES)) {
  test(`bzip2 gives back ${name}`, (t) => {
    t.is(Buffer.compare(unpack(bzip(bytes), bytes.length), bytes), 0);
  });
}

test('the tool of Debian reads what we write, and we read what it writes', (t) => {
  if (spawnSync('bzip2', ['--help']).error) {
    t.log('bzip2 is not installed: our reader and writer were compared with each other only');
    t.pass();
    return;
  }
  const run = (args: string[], input: Uint8Array) =>
    spawnSync('bzip2', args, { input, maxBuffer: 1 << 28 }).stdout as Uint8Array;
  for (const [name, bytes] of Object.entries(CASES)) {
    t.is(Buffer.compare(run(['-d', '-c'], bzip(bytes)), bytes), 0, name);
    t.is(Buffer.compare(unpack(run(['-9', '-c'], bytes), bytes.length), bytes), 0, name);
    t.is(Buffer.compare(unpack(run(['-1', '-c'], bytes), bytes.length), bytes), 0, name);
  }
});

test('a reader that wants little of a stream that stands for much pays for little', (t) => {
  const whole = new Uint8Array(20_000_000);
  const packed = bzip(whole);
  t.true(packed.length < 100);
  const left = new BzipReader(packed);
  t.is(left.read(new Uint8Array(10)), 10);
  t.throws(() => left.finish(), { instanceOf: Refusal, code: 'BAD_DELTA' });
  // The checksum of the block, here a wrong one, is compared behind its last byte: who notices has expanded all of it.
  const wrong = packed.with(BLOCK_CRC_AT, packed[BLOCK_CRC_AT]! ^ 1);
  const reader = new BzipReader(wrong);
  t.is(reader.read(new Uint8Array(10)), 10);
  t.throws(() => reader.read(whole), { instanceOf: Refusal, code: 'BAD_DELTA', message: /checksum/ });
});

test('bytes behind the end, a cut, and another beginning are refused', (t) => {
  const packed = bzip(bytesOf('bananas and more bananas'));
  const refuse = (bytes: Uint8Array) =>
    t.throws(() => unpack(bytes, 1000), { instanceOf: Refusal, code: 'BAD_DELTA' }, Buffer.from(bytes).toString('hex'));
  refuse(Uint8Array.from([...packed, 0]));
  for (let length = 0; length < packed.length; length++) refuse(packed.subarray(0, length));
  refuse(packed.with(0, 0x43));
  refuse(packed.with(3, 0x30));
});

test('a run with more digits than 32 bits hold is refused', (t) => {
  const digits = 40;
  const bits = [
    ...asBits(0x425a6839, 32),
    ...asBits(0x314159265359n, 48),
    ...asBits(0, 32 + 1 + 24),
    ...asBits(0x8000, 16),
    ...asBits(0x8000, 16),
    ...asBits(2, 3),
    ...asBits(1, 15),
    0,
    // Two codes of three symbols: RUNA 0, RUNB 10, end 11.
    ...[0, 1].flatMap(() => [...asBits(1, 5), 0, 1, 0, 0, 0]),
    ...Array.from({ length: digits }, () => 0),
    ...[1, 1],
    ...asBits(0, 80),
  ];
  const bytes = Uint8Array.from({ length: Math.floor(bits.length / 8) }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((sum, bit) => 2 * sum + bit, 0),
  );
  t.throws(() => unpack(bytes, 1000), { code: 'BAD_DELTA', message: /a run longer than/ });
});

test('mutated streams end in their own bytes or in a refusal', (t) => {
  const original = image(3_000, 8);
  const packed = bzip(original);
  const chance = new Chance(40);
  let refused = 0;
  for (let i = 0; i < 1_500; i++) {
    const bytes = mutate(packed, chance);
    try {
      t.is(Buffer.compare(unpack(bytes, 100_000), original), 0);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused++;
    }
  }
  t.true(refused > 1_300, `${refused} refused`);
});

function asBits(value: number | bigint, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number((BigInt(value) >> BigInt(count - 1 - i)) & 1n));
}
