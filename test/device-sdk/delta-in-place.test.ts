/** Deltas for a device with one slot: the order of blocks, what of the base may be read, and that nothing else is. */
import { makeDelta } from '@countersign/broker/delta/index';
import { DeltaDecoder, type Direction, readWholeHeader } from '@countersign/device-sdk/delta';
import test from 'ava';
import type { Isa } from '../support/code.ts';
import { bench, byHand, checkpointsOf, copyFrom, copyOn, fill, image, insert, token } from '../support/delta.ts';
import { checkBothWays } from '../support/in-place-delta.ts';
import { codeOfRefusal } from '../support/refused.ts';

const FORWARD = 4;
const BACKWARD = 6;
const BLOCK = 4096;
const header = (flags: number) => ({ flags, checkpointBits: 12 });
const old = image(10_000, 7);

/** Decodes, and returns the image with the order in which its pages came. */
function decodeAll(container: Uint8Array, base: Uint8Array): { fresh: Uint8Array; offsets: number[] } {
  const { newBytes } = readWholeHeader(container);
  const fresh = new Uint8Array(newBytes);
  const offsets: number[] = [];
  const { ports } = bench(container, base);
  const sink = (offset: number, bytes: Uint8Array) => {
    offsets.push(offset);
    fresh.set(bytes, offset);
  };
  const decoder = new DeltaDecoder({ ...ports, sink });
  decoder.push(container);
  decoder.finalize();
  return { fresh, offsets };
}

test('backward, blocks fall and the pages in them rise; the first block is the short one', (t) => {
  const fresh = new Uint8Array(9000).fill(1).fill(2, 4096).fill(3, 8192);
  const container = byHand(old, fresh, header(BACKWARD), [...fill(808, 3), ...fill(BLOCK, 2), ...fill(BLOCK, 1)]);
  const { fresh: made, offsets } = decodeAll(container, old);
  t.deepEqual(made, fresh);
  const rising = (from: number, to: number) =>
    Array.from({ length: Math.ceil((to - from) / 256) }, (_, i) => from + 256 * i);
  t.deepEqual(offsets, [...rising(8192, 9000), ...rising(4096, 8192), ...rising(0, 4096)]);
});

test('backward, the old offset begins at the block, moved as the first copy of the block before it was', (t) => {
  // The second block's first copy lies 10 further on in the base, behind an insert of 6; the third goes on from there.
  const fresh = new Uint8Array(9000);
  fresh.set(old.subarray(8192, 9000), 8192);
  fresh.set([1, 2, 3, 4, 5, 6], 4096);
  fresh.set(old.subarray(4092, 8182), 4102);
  fresh.set(old.subarray(0, 10), 0);
  fresh.set(old.subarray(0, 4086), 10);
  const container = byHand(old, fresh, header(BACKWARD), [
    ...[...copyOn(808), ...token(808)],
    ...[...insert(1, 2, 3, 4, 5, 6), ...copyFrom(4090, -4), ...token(4090)],
    ...[...insert(...old.subarray(0, 10)), ...copyOn(4086), ...token(4086)],
  ]);
  t.deepEqual(decodeAll(container, old).fresh, fresh);
});

test('a checkpoint of a backward delta names the border above which the image is done', (t) => {
  const fresh = new Uint8Array(9000);
  const container = byHand(old, fresh, header(BACKWARD), [...fill(808, 0), ...fill(BLOCK, 0), ...fill(BLOCK, 0)]);
  t.deepEqual(
    checkpointsOf(container, old).map(({ outputOffset, oldOffset }) => [outputOffset, oldOffset]),
    [
      [8192, 4096],
      [4096, 0],
    ],
  );
});

const blocks = (...streams: number[][]) => streams.flat();
const copyBlock = (seek: number) => [...(seek === 0 ? copyOn(BLOCK) : copyFrom(BLOCK, seek)), ...token(BLOCK)];
const two = new Uint8Array(2 * BLOCK);
const gone: [why: string, flags: number, stream: number[], code: string][] = [
  ['forward, a copy that begins at the border', FORWARD, blocks(fill(BLOCK, 0), copyBlock(BLOCK)), 'accepted'],
  [
    'forward, a copy that begins one byte before it',
    FORWARD,
    blocks(fill(BLOCK, 0), copyBlock(BLOCK - 1)),
    'BAD_DELTA',
  ],
  ['backward, a copy that ends at the border', BACKWARD, blocks(fill(BLOCK, 0), copyBlock(0)), 'accepted'],
  ['backward, a copy that ends one byte behind it', BACKWARD, blocks(fill(BLOCK, 0), copyBlock(1)), 'BAD_DELTA'],
  ['backward, read as forward', FORWARD, blocks(fill(BLOCK, 0), copyBlock(0)), 'BAD_DELTA'],
  ['forward, read as backward', BACKWARD, blocks(fill(BLOCK, 0), copyBlock(BLOCK)), 'BAD_DELTA'],
  ['beside the base, the same copy', 0, blocks(fill(BLOCK, 0), copyBlock(BLOCK - 1)), 'accepted'],
  ['a first block may read all of the base', FORWARD, blocks(copyBlock(10_000 - BLOCK), fill(BLOCK, 0)), 'accepted'],
];
for (const [why, flags, stream, code] of gone) {
  test(`what has been written over is not copied: ${why}`, (t) => {
    const container = byHand(old, two, header(flags), stream);
    const { ports, fenced } = bench(container, old);
    const decoder = new DeltaDecoder(ports);
    t.is(
      codeOfRefusal(() => {
        decoder.push(container);
        decoder.finalize();
      }),
      code,
    );
    t.true(fenced());
  });
}

const headers: [why: string, change: object, code: string][] = [
  ['a full image in place', { flags: 5 }, 'BAD_DELTA'],
  ['a backward full image', { flags: 3 }, 'UNSUPPORTED'],
  ['a mixing coder that indexes the base', { flags: FORWARD, memoryClass: 4, coder: 3, windowBits: 16 }, 'BAD_DELTA'],
];
for (const [why, change, code] of headers) {
  test(`refuses ${why}`, (t) => {
    const container = byHand(old, two, change, fill(BLOCK, 0));
    t.is(
      codeOfRefusal(() => void readWholeHeader(container)),
      code,
    );
  });
}

/** Each CPU in two classes, each class with three CPUs; the long suite has every class for every CPU. */
const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr'];
for (const [i, isa] of isas.entries()) {
  for (const name of i % 2 === 0 ? (['S', 'XL'] as const) : (['M', 'G'] as const)) {
    test(`${isa}, class ${name}: both directions give the image over a base that goes, from every checkpoint`, (t) =>
      checkBothWays(t, isa, name));
  }
}

test('goes on from a dump between any two bytes, backward', (t) => {
  const from = image(20_000, 3);
  const to = new Uint8Array([...image(700, 9), ...from]).map((byte, i) => (i % 701 === 0 ? byte ^ 1 : byte));
  const { delta, info } = makeDelta(from, to, { class: 'S', inPlace: true, checkpointBytes: BLOCK });
  t.is(info.inPlace, 'backward' satisfies Direction);
  const fresh = new Uint8Array(to.length);
  const { ports } = bench(delta, from);
  const sunk = { ...ports, sink: (offset: number, bytes: Uint8Array) => fresh.set(bytes, offset) };
  let decoder = new DeltaDecoder(sunk);
  for (const byte of delta) {
    decoder.push(Uint8Array.of(byte));
    const state = decoder.dump().slice();
    sunk.workspace.fill(0xee);
    sunk.workspace.set(state);
    decoder = DeltaDecoder.load(sunk);
  }
  decoder.finalize();
  t.is(Buffer.compare(fresh, to), 0);
});

test('an image that grew at its front is made backward, one that shrank forward', (t) => {
  const from = image(40_000, 3);
  const grown = new Uint8Array([...image(900, 9), ...from]);
  const ways = [
    makeDelta(from, grown, { class: 'M', inPlace: true }),
    makeDelta(grown, from, { class: 'M', inPlace: true }),
  ];
  t.deepEqual(
    ways.map(({ info }) => info.inPlace),
    ['backward', 'forward'],
  );
  for (const { delta } of ways) t.true(delta.length < 2000, `${delta.length} bytes`);
});
