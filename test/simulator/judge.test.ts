/** The judge convicts: in a fleet that updated in good order, one wrong is planted at a time. */

import { readBlock } from '@countersign/broker/ledger/log/block';
import {
  decode,
  encode,
  type Report,
  readReport as readPayload,
  readStatement,
  reportValue,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { bootRegion, otherSlot, type VirtualBoot } from '@countersign/device-sdk/rig';
import { hasArrived } from '@countersign/simulator/fleet/tally';
import type { VirtualDevice } from '@countersign/simulator/fleet/virtual-device';
import { Chronicle } from '@countersign/simulator/oracle/chronicle';
import { checkCurrency, LATE_SECONDS } from '@countersign/simulator/oracle/currency';
import { judge, lawOf } from '@countersign/simulator/oracle/judge';
import { readReport } from '@countersign/simulator/oracle/report';
import { Overheard } from '@countersign/simulator/oracle/second';
import { watchFleet } from '@countersign/simulator/oracle/watch';
import { imageOf, PRODUCT_WITH_RADIO, partsOf } from '@countersign/simulator/virtual/product';
import { chronicleOf } from '@countersign/simulator/virtual/record';
import { VirtualWorld } from '@countersign/simulator/virtual/world';
import test from 'ava';

const verifier = nodeVerifier();
const NO_FAULTS = { loss: 0, lie: 0, powerCut: 0 };
const silent = { info() {}, warn() {}, error() {} };
const DEVICES = 4;

/** Everybody runs the last of these; nothing went wrong. */
async function settledWorld(devices: number, versions: readonly string[], radio = false): Promise<VirtualWorld> {
  const options = { seed: 'judge', devices, revisions: [['A', 1] as const], rates: NO_FAULTS, radio, log: silent };
  const world = await VirtualWorld.create(options);
  for (const device of world.fleet.devices) device.switchOn();
  for (const version of versions) {
    await world.rollOut(version);
    for (let at = world.time.elapsedMs(); !hasArrived(world.fleet, await world.goal()); at += 1_000) {
      while (await world.step(at));
    }
  }
  return world;
}

let settled: VirtualWorld;
test.before(async () => {
  settled = await settledWorld(DEVICES, ['1.0.1', '1.1.0']);
});
test.after.always(() => settled?.end());

/** Power off and on again, and what follows. */
async function cycle(world: VirtualWorld, device: VirtualDevice): Promise<void> {
  device.powerCycle();
  const end = world.time.elapsedMs() + 5_000;
  while (await world.step(end));
}

/** The ledger as somebody else would have it: each leaf may be left out or replaced. */
function altered(world: VirtualWorld, change: (leaf: Uint8Array, index: number) => Uint8Array | undefined): Chronicle {
  const chronicle = new Chronicle();
  let index = 0;
  for (const block of world.ledger.blocks) {
    for (const leaf of readBlock(block).transactions) {
      const changed = change(leaf, index++);
      const follows = changed && chronicle.add(changed);
      if (follows) chronicle.add(follows);
    }
  }
  return chronicle;
}

function actionOf(leaf: Uint8Array): unknown {
  try {
    return (decode(readStatement(leaf, 'tx').payload) as Value[])[1];
  } catch {
    return undefined;
  }
}

const same = (leaf: Uint8Array) => leaf;
const found = (problems: readonly string[], pattern: RegExp) => problems.some((text) => pattern.test(text));

test.serial(
  'the judge acquits who did nothing wrong, and convicts bytes that were not signed, logged and current',
  async (t) => {
    const world = settled;
    const { fleet } = world;
    const chronicle = chronicleOf(world.ledger);
    t.deepEqual(judge(fleet, chronicle()).problems, []);
    t.deepEqual(judge(fleet, altered(world, same)).problems, []);

    const unapproved = altered(world, (leaf) => (actionOf(leaf) === 'approve' ? undefined : leaf));
    t.true(found(judge(fleet, unapproved).problems, /runs 1\.1\.0, which was approved by no second person/));

    const unlogged = altered(world, (leaf) => (actionOf(leaf) === 'confirm' ? undefined : leaf));
    t.true(found(judge(fleet, unlogged).problems, /runs an image that was never released/));

    const strangers = altered(world, (leaf, index) => (index === 0 ? withOtherKey(leaf, 'collection') : leaf));
    t.true(found(judge(fleet, strangers).problems, /runs 1\.1\.0, which has no valid first signature/));
    t.true(found(strangers.problems, /trust root is not signed/));

    const deaf = new Overheard();
    const unheard = judge(Object.create(fleet, { overheard: { value: deaf } }), altered(world, same));
    t.true(found(unheard.problems, /runs 1\.1\.0, whose second signature nobody heard/));
    const otherD = altered(world, (leaf, index) => (index === 0 ? withOtherKey(leaf, 'distribution') : leaf));
    t.true(found(judge(fleet, otherD).problems, /runs 1\.1\.0, whose second signature nobody heard/));

    // What was right once is not current any more: the loader of device 0 is told to try 1.0.1 again.
    const steps = watchFleet(fleet, chronicle, () => {});
    const [one, two] = fleet.devices;
    const boot = one!.board.boot as VirtualBoot;
    const other = (one!.board.slots as unknown as { load(bytes: Uint8Array): void }[])[otherSlot(boot.running())]!;
    other.load(imageOf('1.0.1'));
    boot.setTrial(otherSlot(boot.running()));
    await cycle(world, one!);
    t.true(found(steps.problems, /^device 0 \(A\): installs 1\.0\.1, which was not current under its head/));

    t.false(found(steps.problems, /^device 1/), 'nobody else is accused');
    const liar = altered(world, (leaf, index) => (index === 1 ? withOtherKey(leaf, 'nobody') : leaf));
    const lied = watchFleet(
      fleet,
      () => liar,
      () => {},
    );
    await cycle(world, two!);
    t.true(found(lied.problems, /^device 1 \(A\): stores a head of \d+ entries that the ledger never had/));
  },
);

test.serial(
  'the judge convicts a floor that was passed, a slot that cannot boot, and a report that is not true',
  async (t) => {
    const world = settled;
    const { fleet } = world;
    const chronicle = chronicleOf(world.ledger);
    const [, , one, two] = fleet.devices;

    // A report by the device's own key, in its place in the chain, that says what is not so.
    const own = chronicle().reports.filter(({ deviceId }) => deviceId === Buffer.from(one!.profile.id).toString('hex'));
    const lie = async (change: Partial<Report>) => {
      const last = own.at(-1)!;
      const fields = { ...readPayload(last.signed.payload!), ...change };
      const bytes = await signStatement(verifier.sha256, 'report', reportValue(fields), one!.profile.keys);
      return judge(fleet, chronicle(), [
        ...chronicle().reports.filter((report) => report !== last),
        readReport(bytes, last.leafIndex)!,
      ]);
    };
    t.false(found((await lie({})).problems, /^device 2/));
    const first = readPayload(own[0]!.signed.payload!);
    t.true(found((await lie({ slotDigest: first.slotDigest })).problems, /^device 2: reported slot/));
    t.true(
      found((await lie({ slotDigest: new Uint8Array(32) })).problems, /names a slot that holds no released image/),
    );
    t.true(
      found((await lie({ manifestDigest: first.manifestDigest })).problems, /says updated, and names another slot/),
    );
    t.true(found((await lie({ state: 3 })).problems, /^device 2: is on trial for the ledger, and knows of none/));

    const steps = watchFleet(fleet, chronicle, () => {});
    await cycle(world, one!);
    t.deepEqual(steps.problems, []);
    bootRegion(one!.board).load(imageOf('1.0.1'));
    await cycle(world, one!);
    t.true(found(steps.problems, /^device 2 \(A\): boots release 2 below its floor 3/));
    t.true(found(judge(fleet, chronicle()).problems, /^device 2: runs release 2 below its floor 3/));

    for (const slot of two!.board.slots as unknown as readonly { bytes: number; load(bytes: Uint8Array): void }[]) {
      slot.load(new Uint8Array(slot.bytes).fill(0xff));
    }
    await cycle(world, two!);
    t.true(found(steps.problems, /^device 3 \(A\): is stuck: Bricked/));
    t.true(found(judge(fleet, chronicle()).problems, /^device 3: runs an image that was never released/));
  },
);

test.serial(
  'the judge convicts a mix of components where it boots, where it is to be tried, and where it is reported',
  async (t) => {
    const world = await settledWorld(3, ['1.1.0'], true);
    try {
      const { fleet } = world;
      const chronicle = chronicleOf(world.ledger);
      const radioOf = (version: string) => partsOf(PRODUCT_WITH_RADIO, version).radio!;
      const steps = watchFleet(fleet, chronicle, () => {});
      for (const device of fleet.devices) await cycle(world, device);
      t.deepEqual([...steps.problems, ...judge(fleet, chronicle()).problems], [], 'nothing is wrong yet');
      const [boots, tries, honest] = fleet.devices.map((device) => ({ device, ...twoSlots(device) }));

      // A new application beside the radio of the release before.
      boots!.radio[boots!.running].load(radioOf('1.0.0'));
      await cycle(world, boots!.device);
      const mix = '1\\.1\\.0 with radio of 1\\.0\\.0';
      t.true(found(steps.problems, new RegExp(`^device 0 \\(A\\): boots a mix that no release names: ${mix}$`)));
      const end = judge(fleet, chronicle()).problems;
      t.true(found(end, new RegExp(`^device 0: runs components that no one release has together: ${mix}$`)));
      boots!.radio[boots!.running].load(radioOf('1.1.0').map((byte, i) => (i === 9_000 ? byte ^ 1 : byte)));
      await cycle(world, boots!.device);
      t.true(found(steps.problems, /^device 0 .* 1\.1\.0 with radio that was never released$/));

      // The other slots hold 1.0.0, all of it. An installer that took the application alone would try this:
      tries!.app[otherSlot(tries!.running)].load(imageOf('1.1.0'));
      tries!.boot.setTrial(otherSlot(tries!.running));
      await cycle(world, tries!.device);
      t.true(found(steps.problems, new RegExp(`^device 1 \\(A\\): installs a mix that no release names: ${mix}$`)));
      t.false(found([...steps.problems, ...end], /^device 2/), 'nobody else is accused');

      // What a report says of the radio is compared with the release that the report is about.
      const own = chronicle().reports.filter(
        ({ deviceId }) => deviceId === Buffer.from(honest!.device.profile.id).toString('hex'),
      );
      const last = own.at(-1)!;
      const lie = async (digest: Uint8Array, code: 'OK' | 'NOT_CURRENT') => {
        const fields = { ...readPayload(last.signed.payload!), components: [{ id: 'radio', digest, code }] };
        const bytes = await signStatement(verifier.sha256, 'report', reportValue(fields), honest!.device.profile.keys);
        return judge(fleet, chronicle(), [
          ...chronicle().reports.filter((report) => report !== last),
          readReport(bytes, last.leafIndex)!,
        ]);
      };
      const [right, wrong] = [verifier.sha256(radioOf('1.1.0')), verifier.sha256(radioOf('1.0.0'))];
      t.false(found((await lie(right, 'OK')).problems, /^device 2/));
      t.true(found((await lie(wrong, 'OK')).problems, /^device 2: report \d+ says OK of radio, and names another one/));
      t.true(
        found(
          (await lie(wrong, 'NOT_CURRENT')).problems,
          /^device 2: report \d+ says updated, and names another radio/,
        ),
      );
      t.true(found((await lie(wrong, 'NOT_CURRENT')).problems, /^device 2: reported radio/));
      t.true(
        found((await lie(new Uint8Array(32), 'OK')).problems, /names a slot of radio that holds no released image/),
      );
      t.deepEqual(
        own.map(({ outcome, components }) => [outcome, components.get('radio')!.code]),
        [
          ['trial', 'NOT_CURRENT'],
          ['updated', 'OK'],
        ],
        'when the trial begins, the radio of 1.0.0 still runs',
      );
    } finally {
      await world.end();
    }
  },
);

/** The slots of a device with a radio, to plant something in. */
function twoSlots({ board }: VirtualDevice) {
  if ('slot' in board.slots) throw new TypeError('one slot');
  const boot = board.boot as VirtualBoot;
  return { app: board.slots, radio: board.slots.components![0]!.slots, boot, running: boot.running() };
}

/** Entry 0 with another key in this role; any other entry with another last byte. */
function withOtherKey(leaf: Uint8Array, role: string): Uint8Array {
  if (role === 'nobody') return Uint8Array.from(leaf, (byte, i) => (i === leaf.length - 1 ? byte ^ 1 : byte));
  const [payload, signatures] = decode(leaf) as [Uint8Array, Value];
  const items = decode(payload) as Value[];
  const roles = items[2] as Map<string, Value[]>;
  const [key] = roles.get(role)![1] as Map<number, Uint8Array>[];
  key!.set(-2, verifier.sha256(key!.get(-2)!));
  return encode([encode(items), signatures]);
}

test.serial(
  'from reports, heads and block times alone the judge convicts an install of what was not current',
  async (t) => {
    const world = await settledWorld(1, ['1.0.1', '1.1.0']);
    try {
      const later = world.time.elapsedMs() + 2 * LATE_SECONDS * 1000;
      while (await world.step(later));
      await world.rollOut('1.2.0');
      for (let at = later; !hasArrived(world.fleet, await world.goal()); at += 1_000) while (await world.step(at));
      const chronicle = chronicleOf(world.ledger)();
      const { manifests } = lawOf(world.fleet, chronicle);
      const judged = (reports: typeof chronicle.reports) => {
        const problems: string[] = [];
        const installs = checkCurrency(reports, manifests, chronicle, (text) => problems.push(text));
        return { installs, problems };
      };
      const own = chronicle.reports;
      t.deepEqual(judged(own), { installs: 3, problems: [] });
      t.is(judge(world.fleet, chronicle).installs, 3);

      // The second trial under the head of the first: signed by the device's own key, and the release was not open yet.
      const [first, , second] = own;
      const { keys } = world.fleet.devices[0]!.profile;
      const fields = { ...readPayload(second!.signed.payload!), headSize: first!.headSize };
      const early = readReport(
        await signStatement(verifier.sha256, 'report', reportValue(fields), keys),
        second!.leafIndex,
      )!;
      t.deepEqual(judged([first!, early]).problems, [
        `tried 1.1.0, which was not current under its head of ${first!.headSize} entries`,
      ]);
      const ahead = { ...first!, headSize: first!.leafIndex + 1 };
      t.true(found(judged([ahead]).problems, /^report 1 names a head of \d+ entries, and is entry \d+$/));

      // A head from before 1.1.0, held for an hour: current under it, and long withdrawn when the report came.
      const lateOnes = [{ ...first!, leafIndex: own.at(-1)!.leafIndex }];
      t.true(found(judged(lateOnes).problems, /^installed 1\.0\.1 up to \d{4} s after it had ceased to be current$/));
      const untold = [{ ...lateOnes[0]!, outcome: 'updated' as const }];
      t.true(found(judged(untold).problems, /^installed 1\.0\.1 up to/), 'the report of the trial was left out');
      t.deepEqual(judged([{ ...first!, leafIndex: second!.leafIndex }]).problems, [], 'a minute late is no crime');
    } finally {
      world.end();
    }
  },
);
