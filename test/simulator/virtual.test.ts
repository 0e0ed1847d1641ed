/** Worlds of their own: one seed, one log, whatever goes wrong in between. */

import { CHAOS_RATES } from '@countersign/simulator/virtual/chaos';
import type { VirtualRates } from '@countersign/simulator/virtual/faults';
import { runVirtual, type VirtualOptions, type VirtualRun } from '@countersign/simulator/virtual/run';
import test from 'ava';

const PERFECT: VirtualRates = { loss: 0, lie: 0, powerCut: 0 };
const STORM: VirtualRates = { loss: 0.06, lie: 0.03, powerCut: 400 };

/** The last one fails its self-test on hardware C. */
const RELEASES = ['1.0.1', '1.1.0', '1.2.0'];

interface Told extends VirtualRun {
  log: string;
}

async function run(
  seed: string,
  devices: number,
  rates: VirtualRates,
  releases = ['1.0.1'],
  more: Partial<VirtualOptions> = {},
): Promise<Told> {
  const lines: string[] = [];
  const options = { seed, devices, rates, releases, revisions: [['A', 2] as const, ['C', 1] as const], ...more };
  const outcome = await runVirtual({ ...options, timeoutSeconds: 6 * 3600, line: (text) => lines.push(text) });
  return { ...outcome, log: lines.join('\n') };
}

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

test('two runs of one seed give the same log, byte for byte; another seed does not', async (t) => {
  const [first, second, other] = [await run('s', 3, STORM), await run('s', 3, STORM), await run('o', 3, STORM)];
  t.is(first.log, second.log);
  t.deepEqual(first.outcome, second.outcome);
  t.is(first.events, second.events);
  // The heading names the seed: what follows it is what happened.
  const events = ({ log }: Told) => log.slice(log.indexOf('\n'));
  t.not(events(first), events(other));
});

test('in a storm everybody arrives, and who cannot have a release goes back', async (t) => {
  const { outcome, verdict, reached, log } = await run('storm', 3, STORM, ['1.0.1', '1.2.0']);
  t.true(reached);
  t.deepEqual(verdict.problems, []);
  t.is(outcome.updated, 2);
  t.is(outcome.reverted, 1, 'hardware C fails the self-test of 1.2.0');
  t.true(log.includes('power cut'));
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

/** Devices that take every self-test for passed: the check is broken, and nobody but the judge notices. */
const withoutSelfTest: Partial<VirtualOptions> = {
  radio: false,
  begun: ({ fleet }) => {
    for (const { board } of fleet.devices) {
      const { boot } = board;
      const booted = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(boot), 'booted')!.get!;
      // What is asked about the self-test has nothing to say: whoever asks takes it for passed.
      Object.defineProperty(boot, 'booted', {
        get: () => booted.call(boot) && { ...booted.call(boot), descriptor: undefined },
      });
    }
  },
};

test('a device with a broken check is found out, and its replay line fails again in the same way', async (t) => {
  const first = await run('broken', 3, CHAOS_RATES, RELEASES, { chaos: true, ...withoutSelfTest });
  t.false(first.verdict.ok);
  t.regex(first.verdict.problems.join('\n'), /device 1 \(C\): confirmed 1\.2\.0, which fails on its hardware/);
  const [, seed, devices] = /--seed (\S+) --devices (\d+)/.exec(first.replay)!;
  const again = await run(seed!, Number(devices), CHAOS_RATES, RELEASES, { chaos: true, ...withoutSelfTest });
  t.deepEqual(again.verdict, first.verdict);
  t.is(again.log, first.log);
  t.regex(first.replay, /simulate --virtual --chaos /);
});
