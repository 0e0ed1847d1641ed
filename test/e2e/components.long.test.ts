/** Application and radio over real sockets: a server, five devices, three releases, and the command line for each of them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import { getRelease } from '@countersign/broker/face/client/releases';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { hex } from '@countersign/device-sdk/format';
import { encodeDescriptor } from '@countersign/device-sdk/rig';
import { NO_FAULTS } from '@countersign/simulator/fleet/faults';
import { Fleet } from '@countersign/simulator/fleet/fleet';
import type { VirtualDevice } from '@countersign/simulator/fleet/virtual-device';
import { judge } from '@countersign/simulator/oracle/judge';
import { readRecord } from '@countersign/simulator/oracle/record';
import { enrolProfiles, fetchFactory } from '@countersign/simulator/scenario/factory';
import { open } from '@countersign/simulator/scenario/people';
import test, { type ExecutionContext } from 'ava';
import { runJson } from '../support/command.ts';
import { type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { verifier } from '../support/pocket.ts';

const PRODUCT = 'duo';
const NEW = ['--new-product', '--vendor', 'example.com', '--memory-class', 'M', '--slot-bytes', '32768'];
const SETTLED_MS = 240_000;
const { sha256 } = verifier;

/** Program-like bytes with a descriptor inside; `change` is what a release changes. */
function image(product: string, version: string, bytes: number, change: number, failsOn: string[] = []): Uint8Array {
  const made = Uint8Array.from(
    { length: bytes },
    (_, i) => (i * 7 + (i >> 6) * 13 + (i % 641 === 5 ? change : 0)) & 0xff,
  );
  made.set(encodeDescriptor({ product, version, failsOn }), 64);
  return made;
}

const app = (version: string, change: number) => image(PRODUCT, version, 20_000, change);
const radio = (version: string, change: number, failsOn: string[] = []) =>
  image('duo-radio', version, 12_000, change, failsOn);

/** A branch of a release, as `publish --json` tells of it. */
interface Branch {
  component?: string;
  base: string | null;
}

/** Publishes and approves by the command, as two people would; the approver compares with his own files. */
async function publish(
  t: ExecutionContext,
  w: FleetWorld,
  version: string,
  own: Uint8Array,
  further: Uint8Array,
  more: string[] = [],
) {
  const [appFile, radioFile] = ['app', 'radio'].map((name) => join(w.data, `${name}-${version}.bin`));
  await writeFile(appFile!, own);
  await writeFile(radioFile!, further);
  const files = ['--component', `radio=${radioFile}`];
  const said = ['--data', w.data, '--product', PRODUCT, '--version', version];
  const asked = [appFile!, ...said, '--as', 'engineer', ...files, ...more];
  const made = await runJson<{ branches: Branch[] }>('publish', ...asked);
  t.is(made.code, 0, made.stderr);
  const name = `${PRODUCT}@${version}`;
  const approved = ['approve', name, '--data', w.data, '--as', 'approver', '--image', appFile!, ...files, '--wait'];
  const { code, stderr } = await runJson(...approved);
  t.is(code, 0, stderr);
  return { made: made.json, release: await getRelease(w.session, name) };
}

/** What lies in the slots that boot, read from outside. */
function pairOf({ board }: VirtualDevice, release: ReleaseView): string[] {
  if ('slot' in board.slots) throw new TypeError('one slot');
  const slot = board.boot.booted!.slot as 0 | 1;
  const regions = [board.slots[slot], ...board.slots.components!.map(({ slots }) => slots[slot])];
  const sizes = [release.imageBytes, ...release.components!.map(({ imageBytes }) => imageBytes)];
  return regions.map((region, i) => hex(sha256(region.dump(0, sizes[i]!))));
}

const digestsOf = (release: ReleaseView) => [release.imageDigest, ...release.components!.map((one) => one.imageDigest)];

test('application and radio change together, one alone, and go back together', async (t) => {
  t.timeout(900_000);
  const w = await fleetWorld();
  const fleet = new Fleet({ seed: 'duo', devices: 5, revisions: [['C', 1]], faults: NO_FAULTS, askSeconds: 2 });
  try {
    const slots = ['--component-slot', 'radio=16384'];
    const first = await publish(t, w, '1.0.0', app('1.0.0', 0), radio('1', 0), [...NEW, ...slots]);
    await enrolProfiles(w.session, w.people.operator, PRODUCT, fleet.profiles);
    fleet.build(await fetchFactory(w.session, PRODUCT, '1.0.0'));
    await fleet.switchOn();
    const roll = async ({ release }: { release: ReleaseView }) => {
      const waves = [{ percent: 100, failurePercentMax: 100 }];
      await open(w.session, w.people, release.releaseLeaf, { waves, jitterSeconds: 0 });
      const { sequence } = release;
      const through = (d: VirtualDevice) => d.idle && d.attempt?.sequence === sequence;
      t.true(await fleet.until(() => fleet.devices.every(through), SETTLED_MS), `everybody tried ${release.version}`);
    };
    const fetchedBy = () => fleet.devices.map(({ meter }) => meter.frames);

    const both = await publish(t, w, '1.1.0', app('1.1.0', 1), radio('2', 1));
    t.deepEqual(
      both.made.branches.map(({ component, base }) => [component, base]),
      [
        [undefined, '1.0.0'],
        [undefined, null],
        ['radio', '1.0.0'],
        ['radio', null],
      ],
    );
    await roll(both);
    for (const device of fleet.devices) t.deepEqual(pairOf(device, both.release), digestsOf(both.release));

    const bundle = await makeBundle(w.session, { release: `${PRODUCT}@1.1.0`, full: true }, join(w.data, 'bundle'));
    t.deepEqual(bundle.checked.branches, { here: 4, of: 4 }, 'a bundle carries the frames of every component');

    const before = fetchedBy();
    const one = await publish(t, w, '1.2.0', app('1.1.0', 1), radio('3', 2));
    t.is(one.release.imageDigest, both.release.imageDigest);
    await roll(one);
    const [delta] = one.release.components![0]!.branches;
    for (const [i, device] of fleet.devices.entries()) {
      t.deepEqual(pairOf(device, one.release), digestsOf(one.release));
      t.is(device.state!.running.sequence, one.release.sequence);
      // One frame, and what its answer says around it.
      const fetched = fetchedBy()[i]! - before[i]!;
      t.true(
        fetched >= delta!.payloadBytes && fetched < delta!.payloadBytes + 32,
        `${fetched}: the radio's delta alone`,
      );
    }

    const bad = await publish(t, w, '1.3.0', app('1.3.0', 3), radio('4', 3, ['C']));
    await roll(bad);
    for (const device of fleet.devices) {
      t.is(device.attempt!.outcome, 'reverted');
      t.is(device.attempt!.code, 'SELF_TEST_FAILED');
      t.deepEqual(pairOf(device, one.release), digestsOf(one.release), 'both are what they were');
    }
    const views = (await w.session.api.get('/api/v1/devices', { product: PRODUCT })) as Record<string, unknown>[];
    t.is(views.length, 5);
    for (const view of views) {
      t.is(view.outcome, 'reverted');
      t.is(view.slotDigest, one.release.imageDigest);
      const { imageDigest } = one.release.components![0]!;
      t.deepEqual(view.components, [{ id: 'radio', digest: imageDigest, code: 'SELF_TEST_FAILED' }]);
    }
    const record = await readRecord(w.session);
    t.deepEqual(judge(fleet, record).problems, []);
    // The judge must be able to say no: a radio of another release beside the application that was booted.
    const [{ board }] = fleet.devices as [VirtualDevice];
    if ('slot' in board.slots) throw new TypeError('one slot');
    board.slots.components![0]!.slots[board.boot.booted!.slot as 0 | 1].load(radio('4', 3, ['C']));
    t.regex(judge(fleet, record).problems.join(), /runs components that no one release has together/);
    t.truthy(first);
  } finally {
    await fleet.switchOff();
    await w.close();
  }
});
