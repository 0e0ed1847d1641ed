import { CUT_PHASES } from '@countersign/device-sdk/rig';
import { frameFaults, linkFaults, NO_FAULTS, nextCut } from '@countersign/simulator/fleet/faults';
import { drawProfile, formatRevisions, readRevisions } from '@countersign/simulator/fleet/profile';
import test from 'ava';

const rates = { loss: 0.2, powerCut: 50 };
const event = (number: number) => ({ kind: 'receive' as const, number, topic: 'ota/v1/d/00/frm', bytes: 100 });
const numbers = Array.from({ length: 500 }, (_, i) => i);

test('a fault is a function of seed, device and event number, whatever was asked before', (t) => {
  const forwards = linkFaults('s', 3, 1, rates)!;
  const backwards = linkFaults('s', 3, 1, rates)!;
  const late = [...numbers].reverse().map((number) => backwards(event(number)));
  t.deepEqual(
    numbers.map((number) => forwards(event(number))),
    late.reverse(),
  );
  const cuts = numbers.map((cut) => nextCut('s', 3, cut, rates));
  t.deepEqual(
    cuts,
    [...numbers]
      .reverse()
      .map((cut) => nextCut('s', 3, cut, rates))
      .reverse(),
  );
});

test('seeds, devices and boots have faults of their own', (t) => {
  const faults = (seed: string, device: number, boot: number) => {
    const decide = linkFaults(seed, device, boot, rates)!;
    return JSON.stringify(numbers.map((number) => decide(event(number))));
  };
  const all = [faults('s', 1, 1), faults('s', 2, 1), faults('s', 1, 2), faults('r', 1, 1)];
  t.is(new Set(all).size, all.length);
});

test('faults are about as frequent as asked, and none are without rates', (t) => {
  const decide = linkFaults('s', 1, 1, rates)!;
  const share = numbers.filter((number) => decide(event(number))).length / numbers.length;
  t.true(share > 0.12 && share < 0.28, `${share}`);
  const distances = numbers.map((cut) => nextCut('s', 1, cut, rates)!.after);
  const mean = distances.reduce((sum, after) => sum + after, 0) / distances.length;
  t.true(mean > 40 && mean < 60, `${mean}`);
  const phases = new Set(numbers.map((cut) => nextCut('s', 1, cut, rates)!.phase));
  t.deepEqual([...phases].sort(), [...CUT_PHASES].sort());
  t.is(linkFaults('s', 1, 1, NO_FAULTS), undefined);
  t.is(frameFaults('s', 1, 1, NO_FAULTS), undefined);
  t.is(nextCut('s', 1, 0, NO_FAULTS), undefined);
});

test('a frame is lost, or arrives with exactly one bit changed', (t) => {
  const decide = frameFaults('s', 1, 1, { loss: 1, powerCut: 0 })!;
  const frame = new Uint8Array(64).fill(0x55);
  const outcomes = numbers.map((number) => decide(number, frame));
  t.true(outcomes.some((bytes) => bytes === undefined));
  for (const bytes of outcomes) {
    if (!bytes) continue;
    const bits = bytes.reduce(
      (sum, byte) => sum + [...((byte ^ 0x55) >>> 0).toString(2)].filter((b) => b === '1').length,
      0,
    );
    t.is(bits, 1);
  }
});

test('a device of a seed is always the same one, and ten devices have every revision', (t) => {
  const revisions = readRevisions('A:6,B:3,C:1')!;
  const one = drawProfile('s', 7, revisions);
  const again = drawProfile('s', 7, revisions);
  t.deepEqual([one.id, one.keys.publicKey, one.geometry], [again.id, again.keys.publicKey, again.geometry]);
  const names = numbers.slice(0, 10).map((number) => drawProfile('s', number, revisions).revision);
  t.is(names.sort().join(''), 'AAAAAABBBC');
  t.is(formatRevisions(revisions), 'A:6,B:3,C:1');
  for (const wrong of ['', 'A', 'A:0', 'A:1;B:1', 'A:-1', 'A:1,']) t.is(readRevisions(wrong), undefined, wrong);
});
