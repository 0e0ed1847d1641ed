/** Worlds of their own: one seed, one log, whatever goes wrong in between. */

import { CHAOS_RATES } from '@countersign/simulator/virtual/chaos';
import type { VirtualRates } from '@countersign/simulator/virtual/faults';
import test from 'ava';
import { run, type Told } from '../support/virtual-run.ts';

const PERFECT: VirtualRates = { loss: 0, lie: 0, powerCut: 0 };
const STORM: VirtualRates = { loss: 0.06, lie: 0.03, powerCut: 400 };

/** The last one fails its self-test on hardware C. */
const RELEASES = ['1.0.1', '1.1.0', '1.2.0'];

test('without faults everybody gets the release, and the ledger executes again from nothing', async (t) => {
  const { outcome, verdict, reached, log } = await run('calm', 3, PERFECT);
  t.true(reached);
  t.deepEqual(verdict.problems, []);
  t.is(verdict.reports, 6, 'each device reports its trial and its update');
  t.is(outcome.updated, 3);
  t.true(outcome.ledger.verified);
  t.is(log.match(/trial → confirm/g)!.length, 3);
  t.is(outcome.wear!.installs, 3);
  t.is(outcome.wear!.worstBlock, 1, 'without a cut no block is erased twice');
  t.true(outcome.wear!.slotErases >= 3 && outcome.wear!.slotBytes > 3 * 80_000 && outcome.wear!.storeBytes > 0);
});

test('in a storm everybody arrives, and who cannot have a release goes back; the same seed is the same log, byte for byte', async (t) => {
  const storm = (seed: string, devices = 3) => run(seed, devices, STORM, ['1.0.1', '1.2.0']);
  const first = await storm('storm');
  const { outcome, verdict, reached, log } = first;
  t.true(reached);
  t.deepEqual(verdict.problems, []);
  t.is(outcome.updated, 2);
  t.is(outcome.reverted, 1, 'hardware C fails the self-test of 1.2.0');
  t.true(log.includes('power cut'));

  const second = await storm('storm');
  t.is(first.log, second.log);
  t.deepEqual(first.outcome, second.outcome);
  t.is(first.events, second.events);
});

test('another seed gives another log', async (t) => {
  const [one, other] = [await run('s', 1, STORM), await run('o', 1, STORM)];
  // The heading names the seed: what follows it is what happened.
  const events = ({ log }: Told) => log.slice(log.indexOf('\n'));
  t.not(events(one), events(other));
});

test('in chaos the judge finds every step safe, and in the healed world everybody arrives or says why', async (t) => {
  const { outcome, verdict, reached, looks, log } = await run('chaos', 3, CHAOS_RATES, RELEASES, { chaos: true });
  t.deepEqual(verdict.problems, []);
  t.true(reached);
  t.is(outcome.stuck, 0);
  t.true(looks > 3 * 6, 'the judge looked at every boot');
  for (const what of ['the server ends', 'the server is back', 'power cut', 'is wrong by', 'is healed']) {
    t.true(log.includes(what), what);
  }
});
