/** A fleet with one slot each, over TCP against the true servers, through power cuts and a release that fails on some. */
import { registerProduct } from '@countersign/broker/face/client/releases';
import { FRAME_BYTES } from '@countersign/device-sdk/format';
import { bootRegion } from '@countersign/device-sdk/rig';
import { vendorDomain } from '@countersign/firmware-samples';
import { Fleet } from '@countersign/simulator/fleet/fleet';
import { hasArrived, tally } from '@countersign/simulator/fleet/tally';
import { judge } from '@countersign/simulator/oracle/judge';
import { readRecord } from '@countersign/simulator/oracle/record';
import { enrolProfiles, fetchFactory } from '@countersign/simulator/scenario/factory';
import { currentGoal } from '@countersign/simulator/scenario/goal';
import { open, release } from '@countersign/simulator/scenario/people';
import test from 'ava';
import { fleetWorld, PRODUCT as SAMPLE } from '../support/fleet-world.ts';

const PRODUCT = 'sensor-slot';
const SETTLED_MS = 60_000;
const DEVICES = 4;
const EVERYBODY = { waves: [{ percent: 100, failurePercentMax: 100 }], jitterSeconds: 0 };

test('devices with one slot update through power cuts; a bad release stays where it fails, and the next mends it', async (t) => {
  const { session, people, close } = await fleetWorld();
  t.teardown(close);
  await registerProduct(session, people.engineer, {
    ...{ vendorDomain, name: PRODUCT, memoryClass: 'M', frameBytes: FRAME_BYTES.M, slotBytes: 131_072, imageBase: 0 },
    ...{ cpu: 'thumb', oneSlot: { pageBytes: 8192, stagingBytes: 32_768 } },
  });
  await release(session, people, PRODUCT, '1.0.0', SAMPLE);
  const revisions = [
    ['A', 3],
    ['C', 1],
  ] as const;
  const fleet = new Fleet({ seed: 'one', revisions, devices: DEVICES, faults: { loss: 0.01, powerCut: 400 } });
  t.teardown(() => fleet.switchOff());
  await enrolProfiles(session, people.operator, PRODUCT, fleet.profiles);
  const factory = await fetchFactory(session, PRODUCT, '1.0.0');
  t.deepEqual(factory.oneSlot, { pageBytes: 8192, stagingBytes: 32_768 });
  fleet.build(factory);
  await fleet.switchOn();
  const onC = fleet.devices.filter(({ profile }) => profile.revision === 'C');
  t.true(onC.length > 0);

  for (const [version, reverted] of [
    ['1.0.1', 0],
    ['1.2.0', onC.length],
    ['1.3.0', 0],
  ] as const) {
    const made = await release(session, people, PRODUCT, version, SAMPLE);
    await open(session, people, made.releaseLeaf, EVERYBODY);
    const goal = await currentGoal(session, PRODUCT, 1);
    t.true(await fleet.until(() => hasArrived(fleet, goal), SETTLED_MS), version);
    const counts = tally(fleet, goal);
    t.deepEqual(counts, { updated: DEVICES - reverted, reverted, refused: 0, stuck: 0 }, version);
    const digest = made.imageDigest;
    const record = await readRecord(session);
    t.deepEqual(judge(fleet, record).problems, [], version);
    const latest = new Map(record.reports.map((report) => [report.deviceId, report]));
    t.true(
      [...latest.values()].every(({ slotDigest }) => slotDigest === digest),
      `${version} lies in every slot`,
    );
    if (reverted > 0) t.true(onC.every(({ attempt }) => attempt?.code === 'SELF_TEST_FAILED'));
  }
  t.true(fleet.counts.cuts > DEVICES, `${fleet.counts.cuts} cuts`);
  t.log(`${fleet.counts.cuts} cuts, ${fleet.counts.boots} boots`);

  const [one] = fleet.devices;
  bootRegion(one!.board).corrupt(100, 1);
  t.regex(judge(fleet, await readRecord(session)).problems[0]!, /^device 0: runs an image that was never/);
});
