import { DeltaDecoder, inspectDelta, readWholeHeader } from '@countersign/device-sdk/delta';
import test from 'ava';
import {
  bench,
  byHand,
  copyFrom,
  copyOn,
  decode,
  fill,
  type HandMade,
  image,
  insert,
  joined,
  number,
  token,
} from '../support/delta.ts';
import { codeOfRefusal } from '../support/refused.ts';

const old = image(300, 7);
const commands = [
  ...copyFrom(100, 50),
  ...token(10, 1, 2, 3, 4),
  ...token(70, 0xff),
  ...token(15),
  ...insert(9, 8, 7),
  ...copyOn(20),
  ...token(20),
  ...fill(500, 0x55),
];

function expected(): Uint8Array {
  const copied = old.slice(50, 150);
  for (let i = 0; i < 4; i++) copied[10 + i] = (copied[10 + i]! + i + 1) & 0xff;
  copied[84] = (copied[84]! + 0xff) & 0xff;
  return joined([copied, Uint8Array.of(9, 8, 7), old.subarray(150, 170), new Uint8Array(500).fill(0x55)]);
}

const sample = byHand(old, expected(), {}, commands);

test('executes every command', (t) => {
  t.deepEqual(decode(sample, old), expected());
});

test('gives the same image however the container is cut', (t) => {
  for (let cut = 0; cut <= sample.length; cut++) t.deepEqual(decode(sample, old, [cut]), expected(), `cut at ${cut}`);
  t.deepEqual(decode(sample, old, new Array(sample.length).fill(1)), expected());
});

test('hands out pages of the stated size, in order, the last one shorter', (t) => {
  const { ports } = bench(sample, old);
  const pages: [number, number][] = [];
  const decoder = new DeltaDecoder({ ...ports, sink: (offset, bytes) => pages.push([offset, bytes.length]) });
  decoder.push(sample);
  t.deepEqual(pages, [
    [0, 256],
    [256, 256],
    [512, 111],
  ]);
  t.true(decoder.done);
  t.is(decoder.wants, sample.length);
});

test('a full image never reads the old one', (t) => {
  const fresh = image(700, 3);
  const container = byHand(old, fresh, { full: true }, insert(...fresh));
  const { ports, output } = bench(container, old);
  const decoder = new DeltaDecoder({
    ...ports,
    old: { read: () => t.fail('the old image was read') },
  });
  decoder.push(container);
  decoder.finalize();
  t.deepEqual(joined(output), fresh);
});

test('an empty image is a header alone', (t) => {
  const container = byHand(old, new Uint8Array(), {}, []);
  t.deepEqual(decode(container, old), new Uint8Array());
});

const HEATSHRINK = { coder: 1, windowBits: 8, lookaheadBits: 4 };
/** 1 and eight bits; 0, distance - 1, length - 1. */
const bits = (text: string): number[] =>
  (text.replace(/ /g, '').match(/.{1,8}/g) ?? []).map((b) => Number.parseInt(b.padEnd(8, '0'), 2));

test('reads the heatshrink bit stream', (t) => {
  const fresh = Uint8Array.from([7, 8, 7, 8, 7, 8, 7, 8]);
  // insert of 8: number 34; literals 34 7 8, then 6 bytes from 2 back.
  const stream = bits('1 00100010 1 00000111 1 00001000 0 00000001 0101');
  const container = byHand(old, fresh, { full: true, ...HEATSHRINK }, stream);
  t.deepEqual(decode(container, old), fresh);
});

test('the heatshrink window is zeros before the first byte', (t) => {
  const fresh = new Uint8Array(5);
  const container = byHand(old, fresh, { full: true, ...HEATSHRINK }, bits('1 00010110 0 11111111 0100'));
  t.deepEqual(decode(container, old), fresh);
});

interface Row {
  why: string;
  code: string;
  header?: HandMade;
  stream?: number[];
  fresh?: Uint8Array;
}

const ten = image(10, 5);
const copyTen = [...copyOn(10), ...token(10)];
const rows: Row[] = [
  { why: 'a version this build does not know', code: 'UNSUPPORTED', header: { version: 3 } },
  { why: 'unknown flags', code: 'BAD_DELTA', header: { flags: 8 } },
  { why: 'the backward direction beside the base', code: 'UNSUPPORTED', header: { flags: 2 } },
  { why: 'a memory class that does not exist', code: 'BAD_DELTA', header: { memoryClass: 5 } },
  { why: 'a predictor', code: 'UNSUPPORTED', header: { predictor: 99 } },
  { why: 'a coder', code: 'UNSUPPORTED', header: { coder: 9 } },
  { why: 'parameters of a coder that has none', code: 'BAD_DELTA', header: { windowBits: 8 } },
  { why: 'a window too small', code: 'BAD_DELTA', header: { coder: 1, windowBits: 3, lookaheadBits: 3 } },
  { why: 'a window too large', code: 'BAD_DELTA', header: { coder: 1, windowBits: 16, lookaheadBits: 4 } },
  { why: 'a lookahead too small', code: 'BAD_DELTA', header: { coder: 1, windowBits: 8, lookaheadBits: 2 } },
  {
    why: 'a lookahead as large as its window',
    code: 'BAD_DELTA',
    header: { coder: 1, windowBits: 8, lookaheadBits: 8 },
  },
  { why: 'pages under 256 bytes', code: 'BAD_DELTA', header: { pageBits: 7 } },
  { why: 'pages over 64 KB', code: 'BAD_DELTA', header: { pageBits: 17 } },
  { why: 'checkpoints closer than 4 KB', code: 'BAD_DELTA', header: { checkpointBits: 11 } },
  { why: 'checkpoints inside a page', code: 'BAD_DELTA', header: { pageBits: 14, memoryClass: 4, checkpointBits: 13 } },
  { why: 'checkpoints too far apart', code: 'BAD_DELTA', header: { checkpointBits: 29 } },
  { why: 'a workspace that is not the sum of its parts', code: 'BAD_DELTA', header: { workspace: 641 } },
  { why: 'a workspace over its class', code: 'BAD_DELTA', header: { coder: 1, windowBits: 12, lookaheadBits: 4 } },
  { why: 'a map without a predictor', code: 'BAD_DELTA', header: { mapRuns: 1 } },
  { why: 'a model section without a predictor', code: 'BAD_DELTA', header: { modelBytes: 1 } },
  { why: 'learned entries without a predictor', code: 'BAD_DELTA', header: { learned: 1 } },
  { why: 'a new image over 1 GB', code: 'BAD_DELTA', header: { newBytes: 2 ** 30 } },
  { why: 'an old image over 1 GB', code: 'BAD_DELTA', header: { oldBytes: 2 ** 34 } },
  { why: 'a command of no bytes', code: 'BAD_DELTA', stream: [2, ...copyTen] },
  { why: 'a command over the end of the image', code: 'BAD_DELTA', stream: insert(...image(11)) },
  { why: 'a command number over 32 bits', code: 'BAD_DELTA', stream: [0xff, 0xff, 0xff, 0xff, 0x10] },
  { why: 'a number not in its shortest form', code: 'BAD_DELTA', stream: [0xa9, 0x00, ...token(10)] },
  { why: 'a seek to the same place', code: 'BAD_DELTA', stream: [...number(40), 0, ...token(10)] },
  { why: 'a seek before the old image', code: 'BAD_DELTA', stream: [...copyFrom(10, -1), ...token(10)] },
  { why: 'a copy over the end of the old image', code: 'BAD_DELTA', stream: [...copyFrom(10, 291), ...token(10)] },
  { why: 'a copy far outside the old image', code: 'BAD_DELTA', stream: [...copyFrom(10, 2 ** 30), ...token(10)] },
  { why: 'a gap longer than its copy', code: 'BAD_DELTA', stream: [...copyOn(10), ...token(11)] },
  { why: 'a long gap longer than its copy', code: 'BAD_DELTA', stream: [...copyOn(10), ...token(2 ** 31)] },
  { why: 'patches after the end of a copy', code: 'BAD_DELTA', stream: [...copyOn(10), (10 << 2) | 1] },
  { why: 'patches longer than their copy', code: 'BAD_DELTA', stream: [...copyOn(10), ...token(8, 1, 2, 3)] },
  { why: 'bytes after the end', code: 'BAD_DELTA', stream: [...copyTen, 0] },
  { why: 'a stream cut short', code: 'BAD_DELTA', stream: copyTen.slice(0, -1) },
  { why: 'a copy in a full image', code: 'BAD_DELTA', header: { full: true }, stream: copyTen },
  {
    why: 'a back reference over the end of the image',
    code: 'BAD_DELTA',
    header: { full: true, ...HEATSHRINK },
    stream: bits('1 00101010 0 11111111 1111'),
  },
  {
    why: 'bits left over after the last command',
    code: 'BAD_DELTA',
    header: { full: true, ...HEATSHRINK },
    stream: [...bits('1 00101011 1 00000001').slice(0, 2), 0x41],
  },
  {
    why: 'a command over its checkpoint',
    code: 'BAD_DELTA',
    header: { checkpointBits: 12 },
    fresh: image(5000, 2),
    stream: fill(4097, 1),
  },
];

for (const { why, code, header = {}, stream = copyTen, fresh = ten } of rows) {
  test(`refuses ${why}`, (t) => {
    const container = byHand(old, fresh, header, stream);
    const { ports, output, fenced } = bench(container, old, { newBytes: header.newBytes ?? fresh.length });
    const decoder = new DeltaDecoder(ports);
    const run = (): void => {
      decoder.push(container);
      decoder.finalize();
    };
    t.is(codeOfRefusal(run), code);
    t.true(fenced());
    t.true(joined(output).length <= fresh.length);
    t.is(
      codeOfRefusal(() => decoder.push(Uint8Array.of(0))),
      code,
      'a refused decoder stays refused',
    );
    t.is(
      codeOfRefusal(() => decoder.finalize()),
      code,
    );
    t.is(
      codeOfRefusal(() => decoder.dump()),
      code,
    );
  });
}

test('the same containers without their fault are accepted', (t) => {
  t.deepEqual(decode(byHand(old, old.slice(0, 10), {}, copyTen), old), old.slice(0, 10));
  const zeros = new Uint8Array(10);
  const stream = bits('1 00101010 0 11111111 1001');
  t.deepEqual(decode(byHand(old, zeros, { full: true, ...HEATSHRINK }, stream), old), zeros);
});

test('refuses other bytes at once, at every length of the header', (t) => {
  t.is(
    codeOfRefusal(() => new DeltaDecoder(bench(sample, old).ports).push(Uint8Array.of(0x42))),
    'BAD_DELTA',
  );
  for (let end = 0; end < sample.length; end++) {
    const decoder = new DeltaDecoder(bench(sample, old).ports);
    decoder.push(sample.subarray(0, end));
    t.is(
      codeOfRefusal(() => decoder.finalize()),
      'BAD_DELTA',
      `cut at ${end}`,
    );
  }
  t.is(
    codeOfRefusal(() => readWholeHeader(sample.subarray(0, 20))),
    'BAD_DELTA',
  );
});

test('the signed sizes decide, not the container', (t) => {
  const size = expected().length;
  const table: [string, Parameters<typeof bench>[2]][] = [
    ['NO_SPACE', { slotBytes: size - 1 }],
    ['BAD_DELTA', { newBytes: size - 1 }],
    ['BAD_DELTA', { oldBytes: old.length + 1 }],
    ['NO_MEMORY', { workspace: 639 }],
    ['accepted', { slotBytes: size }],
    ['accepted', { workspace: 640 }],
  ];
  for (const [code, limits] of table) {
    const { ports, output } = bench(sample, old, limits);
    t.is(
      codeOfRefusal(() => new DeltaDecoder(ports).push(sample)),
      code,
      JSON.stringify(limits),
    );
    if (code !== 'accepted') t.is(output.length, 0);
  }
  const { ports } = bench(sample, old);
  const small = { ...ports, workspace: new Uint8Array(255) };
  t.is(
    codeOfRefusal(() => new DeltaDecoder(small)),
    'NO_MEMORY',
  );
});

test('an error of the flash ends the decoder and is thrown again', (t) => {
  const { ports } = bench(sample, old);
  const fault = new Error('worn out');
  const decoder = new DeltaDecoder({
    ...ports,
    sink: () => {
      throw fault;
    },
  });
  t.is(
    t.throws(() => decoder.push(sample)),
    fault,
  );
  t.is(
    t.throws(() => decoder.push(new Uint8Array())),
    fault,
  );
});

test('inspect shares every byte out', (t) => {
  const spent = inspectDelta(sample);
  t.is(
    Object.values(spent.bytes).reduce((sum, bytes) => sum + bytes, 0),
    sample.length,
  );
  t.deepEqual(spent.counts, { copies: 2, inserts: 1, fills: 1 });
  t.is(
    codeOfRefusal(() => inspectDelta(sample.subarray(0, -1))),
    'BAD_DELTA',
  );
  t.is(
    codeOfRefusal(() => inspectDelta(joined([sample, Uint8Array.of(0)]))),
    'BAD_DELTA',
  );
});
