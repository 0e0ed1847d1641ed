/** A small fleet over TCP against the true servers in this process: the story in short, its judge, and an attack. */
import { bootRegion } from '@countersign/device-sdk/rig';
import { ATTACKS } from '@countersign/simulator/adversary/attacks';
import { attempt } from '@countersign/simulator/adversary/attempt';
import { openScene } from '@countersign/simulator/adversary/scene';
import { isSettled, tally } from '@countersign/simulator/fleet/tally';
import { judge } from '@countersign/simulator/oracle/judge';
import { readRecord } from '@countersign/simulator/oracle/record';
import { currentGoal } from '@countersign/simulator/scenario/goal';
import { open, release, rolloutIn } from '@countersign/simulator/scenario/people';
import test from 'ava';
import { type FleetWorld, fleetWorld, PRODUCT } from '../support/fleet-world.ts';

let world: FleetWorld;
test.before(async () => {
  world = await fleetWorld();
});
test.after.always(() => world?.close());

const SETTLED_MS = 60_000;

test.serial('a fleet with faults updates, a bad release reverts on its revision, and the judge agrees', async (t) => {
  const { session, people } = world;
  const fleet = await world.fleet({ devices: 8, faults: { loss: 0.01, powerCut: 400 } });
  await fleet.switchOn();
  const fix = await release(session, people, PRODUCT, '1.0.1');
  await open(session, people, fix.releaseLeaf, { waves: [{ percent: 100, failurePercentMax: 100 }], jitterSeconds: 0 });
  const arrived = () => fleet.devices.every((d) => d.idle && (d.state!.running.sequence === 2 || d.attempt));
  t.true(await fleet.until(arrived, SETTLED_MS), 'everybody is through');
  fleet.calm();
  const before = fleet.devices.map(({ meter }) => meter.frames);
  t.true(before.every((bytes) => bytes > 0));

  const bad = await release(session, people, PRODUCT, '1.2.0');
  const wave = { group: 'hw=C', failurePercentMax: 5, reportedPercentMin: 100 };
  const waves = [wave, { percent: 100 }];
  const { rolloutId } = await open(session, people, bad.releaseLeaf, { waves, jitterSeconds: 0 });
  await rolloutIn(session, rolloutId, 'paused', SETTLED_MS);
  const goal = await currentGoal(session, PRODUCT, 1);
  t.deepEqual(goal, { sequence: bad.sequence, open: false });
  t.true(await fleet.until(() => isSettled(fleet, goal), SETTLED_MS));
  const onC = fleet.devices.filter(({ profile }) => profile.revision === 'C');
  t.true(onC.length > 0);
  for (const { attempt, state } of onC) {
    t.is(attempt?.code, 'SELF_TEST_FAILED');
    t.true(state!.running.sequence < bad.sequence);
  }
  const counts = tally(fleet, goal);
  t.is(counts.reverted, onC.length);
  t.is(counts.updated + counts.reverted + counts.refused + counts.stuck, fleet.devices.length);
  const verdict = judge(fleet, await readRecord(session));
  t.deepEqual(verdict.problems, []);
  t.true(verdict.reports >= 2 * fleet.devices.length);

  const { data, server } = world;
  const scene = await openScene({
    data,
    url: server.url,
    token: server.token!,
    heard: fleet.heard,
    heardElsewhere: [],
  });
  const versions = { old: '1.0.1', aborted: '1.2.0', factory: '1.0.0', offered: '1.0.1' };
  const victim = fleet.devices.find(({ profile }) => profile.revision === 'A' && profile.clock)!;
  const codes: Record<string, string | null> = {};
  for (const name of ['stolen-key-d', 'unlogged-release', 'unsigned-manifest', 'rollback-replayed']) {
    const attack = ATTACKS.find((item) => item.name === name)!;
    const row = await attempt(fleet, victim, attack, await attack.prepare(scene, versions));
    t.true(row.refused, `${name}: ${JSON.stringify(row)}`);
    codes[name] = row.code;
  }
  t.deepEqual(codes, {
    'stolen-key-d': 'WRONG_ROLE',
    'unlogged-release': 'NO_RECEIPT',
    'unsigned-manifest': 'MALFORMED',
    'rollback-replayed': 'STALE',
  });

  // The judge must be able to say no: one bit in a running slot, and a ledger that knows nothing of an update.
  const record = await readRecord(session);
  const [one] = fleet.devices;
  bootRegion(one!.board).corrupt(100, 1);
  t.regex(judge(fleet, record).problems[0]!, /^device 0: runs an image that was never released/);
  bootRegion(one!.board).corrupt(100, 1);
  t.true(judge(fleet, record).ok);
  const forgetful = record.reports.slice(0, -1);
  t.true(
    judge(fleet, record, forgetful).problems.some((text) => text.includes('was acknowledged, and the ledger has')),
  );
  const lying = record.reports.map((report, i) =>
    i === 0 ? { ...report, signed: { ...report.signed, holds: () => false } } : report,
  );
  t.true(judge(fleet, record, lying).problems.some((text) => text.includes('not signed')));
});
