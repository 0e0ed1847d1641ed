/** Chaos by the dozen: fleets of fifty, each with its own seed. A run that fails names the command that fails again. */
import { CHAOS_RATES } from '@countersign/simulator/virtual/chaos';
import { runVirtual } from '@countersign/simulator/virtual/run';
import test from 'ava';
import { effort } from '../support/effort.ts';

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
