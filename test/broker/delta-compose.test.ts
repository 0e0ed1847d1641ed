import { makeBranch } from '@countersign/broker/collection/make';
import { align, type Copy } from '@countersign/broker/delta/align';
import { composeCopies } from '@countersign/broker/delta/compose';
import { applyDelta, makeDelta } from '@countersign/broker/delta/index';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { edited, image, joined } from '../support/delta.ts';
import { Chance } from '../support/mutate.ts';

const copy = (newStart: number, oldStart: number, length: number): Copy => ({ newStart, oldStart, length });
const aligned = (old: Uint8Array, fresh: Uint8Array) => align(old, fresh, suffixArray(old));

test('a copy of a copy is one copy, cut where the first one was cut', (t) => {
  const first = [copy(10, 100, 20), copy(40, 0, 10)];
  t.deepEqual(composeCopies(first, [copy(5, 15, 10)]), [copy(5, 105, 10)]);
  t.deepEqual(composeCopies(first, [copy(0, 0, 60)]), [copy(10, 100, 20), copy(40, 0, 10)]);
  t.deepEqual(composeCopies(first, [copy(0, 25, 20), copy(20, 10, 5)]), [
    copy(0, 115, 5),
    copy(15, 0, 5),
    copy(20, 100, 5),
  ]);
  t.deepEqual(composeCopies(first, [copy(0, 30, 10), copy(10, 90, 9)]), []);
  t.deepEqual(composeCopies(first, []), []);
  t.deepEqual(composeCopies([], [copy(0, 0, 9)]), []);
});

test('what is torn apart and put together again is joined', (t) => {
  const whole = [copy(0, 50, 30)];
  t.deepEqual(composeCopies(whole, [copy(0, 0, 10), copy(10, 10, 20)]), whole);
  t.deepEqual(composeCopies([copy(0, 50, 10), copy(10, 60, 20)], [copy(0, 0, 30)]), whole);
});

test('composed copies lie inside the images, in order, and follow the same bytes as two lookups', (t) => {
  const chance = new Chance(5);
  for (let round = 0; round < 20; round++) {
    const old = image(3_000, 10 + round);
    const middle = edited(old, 1 + round);
    const at = chance.below(1_000);
    const fresh = edited(new Uint8Array([...middle.subarray(at), ...middle.subarray(0, at)]), 99 + round);
    const [first, second] = [aligned(old, middle), aligned(middle, fresh)];
    const source = (copies: readonly Copy[], position: number) => {
      const found = copies.find((c) => position >= c.newStart && position < c.newStart + c.length);
      return found && found.oldStart + position - found.newStart;
    };
    const composed = composeCopies(first, second);
    for (const [i, { newStart, length }] of composed.entries())
      t.true(length > 0 && newStart + length <= (composed[i + 1]?.newStart ?? fresh.length));
    for (let position = 0; position < fresh.length; position += 7) {
      const between = source(second, position);
      t.is(source(composed, position), between === undefined ? undefined : source(first, between));
    }
  }
});

/** Blocks that a release shuffled, with every fourteenth byte changed by it and other ones by the next release. */
function twoReleases(): { base: Uint8Array; through: Uint8Array; image: Uint8Array } {
  const base = image(20_000, 3);
  const blocks = Array.from({ length: 20 }, (_, i) =>
    base.subarray(1000 * ((7 * i) % 20), 1000 * ((7 * i) % 20) + 1000),
  );
  const through = joined(blocks).map((byte, i) => (i % 14 === 0 ? byte ^ 0x33 : byte));
  return { base, through, image: through.map((byte, i) => (i % 14 === 7 ? byte ^ 0x55 : byte)) };
}

test('a delta through the release between is never larger, and smaller where both changed much', (t) => {
  const { base, through, image: fresh } = twoReleases();
  const direct = makeDelta(base, fresh, { class: 'S' });
  const made = makeDelta(base, fresh, { class: 'S', through });
  t.not(direct.info.alignment, 'composed');
  t.is(made.info.alignment, 'composed');
  t.true(made.delta.length < direct.delta.length, `${made.delta.length} and ${direct.delta.length}`);
  t.is(Buffer.compare(applyDelta(made.delta, base), fresh), 0);
  const unrelated = makeDelta(base, fresh, { class: 'S', through: image(5_000, 3) });
  t.deepEqual(unrelated.delta, direct.delta);
});

test('a branch says which of the three ways its download came', (t) => {
  const [base, near] = [readSample('sensor-node', '1.0.0'), readSample('sensor-node', '1.1.0')];
  const job = { kind: 'make', memoryClass: 'S', imageBase: 0 } as const;
  t.is(makeBranch({ ...job, base, image: near }).path, 'direct');
  t.is(makeBranch({ ...job, ...twoReleases() }).path, 'composed');
  t.is(makeBranch({ ...job, image: near }).path, 'full');
  t.is(makeBranch({ ...job, image: image(4_000, 1), base: image(4_000, 2) }).path, 'full');
});
