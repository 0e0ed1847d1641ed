/** Chaos by the dozen: fleets of fifty, each with its own seed. A run that fails names the command that fails again. */
import { CHAOS_RATES } from '@countersign/simulator/virtual/chaos';
import { runVirtual, type VirtualOptions } from '@countersign/simulator/virtual/run';
import test from 'ava';
import { effort } from '../support/effort.ts';
import { run } from '../support/virtual-run.ts';

const RUNS = effort(6, 200);
const DEVICES = 50;

test(`${RUNS} worlds of ${DEVICES} devices in chaos: safe at every step, and everybody arrives or says why`, async (t) => {
  t.timeout(RUNS * 120_000);
  let [looks, events, cuts] = [0, 0, 0];
  for (let number = 0; number < RUNS; number++) {
    const run = await runVirtual({
      seed: `chaos-${number}`,
      devices: DEVICES,
      revisions: [['A', 6] as const, ['B', 3] as const, ['C', 1] as const],
      rates: CHAOS_RATES,
      releases: ['1.0.1', '1.1.0', '1.2.0'],
      timeoutSeconds: 6 * 3600,
      chaos: true,
      // Of every three worlds one has devices of two components.
      radio: number % 3 === 2,
      // Of every four one has signers whose keys a key generation centre issued; of these again one in three both.
      kgc: number % 4 === 1,
      line: (text) => {
        if (text.includes('power cut')) cuts++;
      },
    });
    const { updated, reverted, refused, stuck } = run.outcome;
    t.deepEqual(run.verdict.problems, [], run.replay);
    t.true(run.reached && stuck === 0, run.replay);
    t.is(updated + reverted + refused, DEVICES, run.replay);
    looks += run.looks;
    events += run.events;
  }
  t.log(`${RUNS} runs: ${events} events, ${cuts} power cuts, ${looks} looks into flash`);
});

/** The last one fails its self-test on hardware C. */
const RELEASES = ['1.0.1', '1.1.0', '1.2.0'];

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
