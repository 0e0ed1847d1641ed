/** The mixing coder: what it may learn from, and its state at every byte. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeltaDecoder, inspectDelta, LEARNED_PER_NEW_MAX, workspaceBytes } from '@countersign/device-sdk/delta';
import test from 'ava';
import { bench, byHand, image } from '../support/delta.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { repository } from '../support/repository.ts';
import type { DeltaVector } from '../vectors/make-delta.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const vectors: DeltaVector[] = JSON.parse(readFileSync(join(repository, 'test/vectors/delta/model.json'), 'utf8'));
const learning = vectors.filter(({ id }) => id.endsWith('-G'));

test('there are pinned containers whose literals learn from the old image, in blocks and in one', (t) => {
  const headers = learning.map(({ container }) => inspectDelta(bytes(container)).header);
  t.true(headers.length >= 2);
  for (const { lookaheadBits } of headers) t.true(lookaheadBits >= 12);
  t.deepEqual(new Set(headers.map(({ checkpointBits }) => checkpointBits > 0)), new Set([true, false]));
});

for (const { id, old, container, expected, newBytes } of learning) {
  test(`${id}: stored and restored at every byte, the image is the same`, (t) => {
    const whole = bytes(container);
    const { ports } = bench(whole, bytes(old), { newBytes });
    const fresh = new Uint8Array(newBytes);
    const sink = (offset: number, page: Uint8Array): void => fresh.set(page, offset);
    let decoder = new DeltaDecoder({ ...ports, sink });
    for (const byte of whole) {
      decoder.push(Uint8Array.of(byte));
      const workspace = new Uint8Array(ports.workspace.length);
      workspace.set(decoder.dump());
      decoder = DeltaDecoder.load({ ...ports, sink, workspace });
    }
    decoder.finalize();
    t.is(Buffer.compare(fresh, bytes('image' in expected ? expected.image : '')), 0);
  });
}

/** Offsets in the header: first and second parameter, checkpoint bits. */
const [SIZE, OLD_BITS, INTERVAL] = [8, 9, 11];
const faults: [why: string, at: number, value: number][] = [
  ['a size that does not exist', SIZE, 2],
  ['fewer old bytes than a page of flash', OLD_BITS, 11],
  ['more old bytes than a device has time for', OLD_BITS, 23],
  ['more old bytes than a block produces', OLD_BITS, 13],
  ['blocks that are shorter than what each learns from', INTERVAL, 11],
];
for (const [why, at, value] of faults) {
  test(`refused: ${why}`, (t) => {
    const { container, old, newBytes } = learning.find(({ id }) => id === 'thumb-G')!;
    const changed = bytes(container);
    changed[at] = value;
    const { ports } = bench(bytes(container), bytes(old), { newBytes });
    t.is(
      codeOfRefusal(() => new DeltaDecoder(ports).push(changed)),
      'BAD_DELTA',
    );
  });
}

const SHAPE = { predictor: 0, coder: 3, windowBits: 1, pageBits: 12, mapRuns: 0, learnedEntries: 0 };

/** What becomes of a header that asks for so much learning, for images of these sizes; nothing follows it. */
function asked(lookaheadBits: number, oldBytes: number, newBytes: number): { code: string; reads: number } {
  const old = image(oldBytes, 3);
  const { learnedEntries: learned, ...shape } = { ...SHAPE, lookaheadBits };
  const workspace = workspaceBytes({ ...SHAPE, lookaheadBits });
  const container = byHand(old, new Uint8Array(newBytes), { ...shape, learned, memoryClass: 4, workspace }, [1, 0]);
  const { ports } = bench(container, old, { newBytes, workspace });
  let reads = 0;
  const read = (offset: number, into: Uint8Array): void => {
    reads++;
    ports.old.read(offset, into);
  };
  const code = codeOfRefusal(() => new DeltaDecoder({ ...ports, old: { read } }).push(container));
  return { code, reads };
}

test('an image is worth learning from twice its bytes, and no more: before the first old byte is read', (t) => {
  t.is(LEARNED_PER_NEW_MAX, 2);
  t.deepEqual(asked(22, 100_000, 1), { code: 'BAD_DELTA', reads: 0 });
  t.deepEqual(asked(12, 5000, 2047), { code: 'BAD_DELTA', reads: 0 });
  t.deepEqual(asked(14, 8194, 4096), { code: 'BAD_DELTA', reads: 0 });
  t.true(asked(12, 5000, 2048).reads > 0);
  t.true(asked(14, 8192, 4096).reads > 0, 'what counts is the old image where that is smaller');
});
