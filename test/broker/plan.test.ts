import { BASES_MAX, planBases } from '@countersign/broker/collection/plan';
import type { DeviceView, ReleaseView } from '@countersign/broker/ledger/contract/views';
import { Refusal } from '@countersign/device-sdk';
import test from 'ava';

/** Releases 1 to n, each with an image of its own, in the order of a query: oldest first. */
function releases(count: number): ReleaseView[] {
  return Array.from({ length: count }, (_, i) => {
    const state = 'confirmed' as const;
    return { sequence: i + 1, version: `1.${i + 1}`, imageDigest: `image ${i + 1}`, state } as ReleaseView;
  });
}

const running = (...numbers: (number | null)[]): DeviceView[] =>
  numbers.map((n) => ({ state: 'enrolled', slotDigest: n === null ? null : `image ${n}` }) as DeviceView);

const sequences = (list: readonly ReleaseView[]) => list.map((release) => release.sequence);

test('a first release has no base', (t) => {
  t.deepEqual(planBases([], []), []);
});

test('with no word from the field, the seven newest releases are bases, newest first', (t) => {
  t.deepEqual(sequences(planBases(releases(9), [])), [9, 8, 7, 6, 5, 4, 3]);
  t.deepEqual(sequences(planBases(releases(9), running(null, null))), [9, 8, 7, 6, 5, 4, 3]);
});

test('when every device has reported, only what they run and the newest release are bases', (t) => {
  t.deepEqual(sequences(planBases(releases(9), running(2, 2, 5))), [9, 5, 2]);
});

test('an old release that a device runs is kept even while others are silent', (t) => {
  const planned = planBases(releases(20), running(1, null));
  t.deepEqual(sequences(planned), [20, 19, 18, 17, 16, 15, 1]);
  t.is(planned.length, BASES_MAX);
});

test('where more releases run than there are places, those that most devices run get them', (t) => {
  const nine = [1, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9];
  t.deepEqual(sequences(planBases(releases(12), running(...nine))), [12, 8, 7, 6, 5, 3, 1]);
});

test('a revoked device and an image that was never released plan nothing', (t) => {
  const gone = { state: 'revoked', slotDigest: 'image 1' } as DeviceView;
  t.deepEqual(sequences(planBases(releases(3), [...running(77), gone])), [3]);
});

test('releases that were not confirmed are no bases', (t) => {
  const list = releases(3);
  list[2]!.state = 'uploaded';
  t.deepEqual(sequences(planBases(list, [])), [2, 1]);
});

test('two releases with the same bytes make one base', (t) => {
  const list = releases(3);
  list[2]!.imageDigest = 'image 1';
  t.deepEqual(sequences(planBases(list, [])), [3, 2]);
});

test('an engineer may name the bases, by versions that exist, at most seven', (t) => {
  const list = releases(9);
  t.deepEqual(sequences(planBases(list, running(9), ['1.2', '1.4', '1.2'])), [4, 2]);
  t.deepEqual(planBases(list, [], []), []);
  t.throws(() => planBases(list, [], ['2.0']), { instanceOf: Refusal, code: 'NOT_FOUND' });
  const eight = list.slice(0, 8).map((release) => release.version);
  t.throws(() => planBases(list, [], eight), { instanceOf: Refusal, code: 'BAD_REQUEST' });
});
