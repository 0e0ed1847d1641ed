/** A release of several components: all become current together, or none; and a manifest that would mix them is refused. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Code, codeOf, Device } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { type Branch, type Component, FRAMES, outcomeOf, readRequest } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { provisionGateway, readState } from '@countersign/device-sdk/host/gateway';
import { readProfile } from '@countersign/device-sdk/host/profile';
import { openRegions } from '@countersign/device-sdk/host/regions';
import test from 'ava';
import { APP_BYTES, changed, image, RADIO_BYTES, releaseIn } from '../support/component-life.ts';
import { type PocketRelease, PocketServer, type PublishOptions, pocketLink, verifier } from '../support/pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const RADIO = image(RADIO_BYTES, 7);

async function world(components: Record<string, Uint8Array> = { radio: RADIO }) {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(APP_BYTES, 3), { components });
  return { server, first };
}

/** Names of the payloads that a device asked for, each once. */
function asked(server: PocketServer): Set<string> {
  const names = new Set<string>();
  const answers = server.answers.bind(server);
  server.answers = (bytes) => {
    const request = readRequest(bytes);
    if (request.kind === FRAMES) names.add(Buffer.from(request.chainHead).toString('hex'));
    return answers(bytes);
  };
  return names;
}

const names = (branches: readonly Branch[] = []) =>
  branches.map(({ payload }) => Buffer.from(payload.chainHead).toString('hex'));

/** Both components of the slot that is kept are of this release. */
const runs = (device: PocketDevice, releases: readonly PocketRelease[]) =>
  releaseIn(device, device.board.boot.record.good, releases);

test('application and radio become current by one switch, each by its own delta', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), {
    bases: [first],
    components: { radio: changed(RADIO, 9) },
  });
  const fetched = asked(server);
  const jumps: number[] = [];
  device.jumped = (slot) => jumps.push(slot);
  await device.start();
  t.is(runs(device, [first, second]), 1);
  t.deepEqual(jumps, [0, 1], 'one trial for both');
  const [delta] = names(second.manifest.branches);
  const [radioDelta] = names(second.manifest.components![0]!.branches);
  t.deepEqual([...fetched], [delta, radioDelta]);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated']);
  const [trial, updated] = server.reports;
  t.deepEqual(trial!.components, [{ id: 'radio', digest: sha256(RADIO), code: 'NOT_CURRENT' }], 'not yet');
  t.deepEqual(updated!.components, [{ id: 'radio', digest: sha256(changed(RADIO, 9)), code: 'OK' }]);
  t.deepEqual(updated!.slotDigest, sha256(second.image));
});

test('a component that stays costs no download and is there after the switch', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first], components: { radio: RADIO } });
  const third = await server.publish(second.image, { bases: [second], components: { radio: changed(RADIO, 9) } });
  const fetched = asked(server);
  await device.start();
  // From the first straight to the third: the application of the second has no delta from here.
  t.is(runs(device, [first, second, third]), 2);
  t.false(names(second.manifest.components![0]!.branches).some((name) => fetched.has(name)));

  const fourth = await server.publish(third.image, { bases: [third], components: { radio: changed(RADIO, 11) } });
  fetched.clear();
  await device.start();
  t.is(runs(device, [first, second, third, fourth]), 3);
  t.deepEqual(
    [...fetched],
    names(fourth.manifest.components![0]!.branches).slice(0, 1),
    'the delta of the radio alone',
  );
});

test('a bad radio takes the application back with it, and the report says what runs of each', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { passes: (version) => version === '1.0.0' });
  const second = await server.publish(first.image, { bases: [first], components: { radio: changed(RADIO, 9) } });
  await device.start();
  t.is(runs(device, [first, second]), 0);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'reverted']);
  const last = server.reports.at(-1)!;
  t.is(last.code, 'SELF_TEST_FAILED');
  t.deepEqual(last.components, [{ id: 'radio', digest: sha256(RADIO), code: 'SELF_TEST_FAILED' }]);
  t.true(device.board.boot.record.unbootable[1]);
});

test('an image that stays but has decayed where it runs is fetched whole', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const { slots } = device.board.slots.components![0]!;
  slots[0].load(RADIO.map((byte, i) => (i === 3000 ? byte ^ 1 : byte)));
  const second = await server.publish(changed(first.image, 5), { bases: [first], components: { radio: RADIO } });
  await device.start();
  t.is(runs(device, [second]), 0);
});

test('a radio whose every branch fails leaves all components as they were', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const wrong = server.branch(await containerOf(server, image(RADIO_BYTES, 13)));
  const components = [{ id: 'radio', digest: sha256(changed(RADIO, 9)), bytes: RADIO_BYTES, branches: [wrong] }];
  await server.publish(changed(first.image, 5), { bases: [first], change: { components } });
  await device.start();
  t.is(runs(device, [first]), 0);
  t.is(device.device!.state.pending, undefined);
  t.deepEqual(server.reports.map(outcomeOf), ['refused']);
  t.is(server.reports[0]!.code, 'BAD_DELTA');
  t.is(server.reports[0]!.components![0]!.code, 'BAD_DELTA');
});

/** A container with this full image, as a release of it would carry. */
async function containerOf(server: PocketServer, full: Uint8Array): Promise<Uint8Array> {
  const other = await PocketServer.create(server.memoryClass);
  const { manifest } = await other.publish(full);
  const { payload } = manifest.branches[0]!;
  const frames = other.frames(payload);
  return Buffer.concat(frames.map((frame) => frame.subarray(0, payload.frameBytes))).subarray(0, payload.bytes);
}

const full = async (server: PocketServer, id: string, bytes: Uint8Array): Promise<Component> => ({
  ...{ id, digest: sha256(bytes), bytes: bytes.length },
  branches: [server.branch(await containerOf(server, bytes))],
});

/** Manifests by a publisher gone mad, and what a device of application and radio says. */
const HOSTILE: [string, string, (server: PocketServer, first: PocketRelease) => Promise<PublishOptions>][] = [
  ['without the radio', 'WRONG_COMPONENTS', async () => ({})],
  [
    'with a component more',
    'WRONG_COMPONENTS',
    async () => ({ components: { radio: changed(RADIO, 9), sensor: image(2000, 5) } }),
  ],
  ['with another component', 'WRONG_COMPONENTS', async () => ({ components: { modem: changed(RADIO, 9) } })],
  ['with a radio larger than its slot', 'NO_SPACE', async () => ({ components: { radio: image(9000, 5) } })],
  [
    'whose digests of application and radio have changed places',
    'BAD_DELTA',
    async (server, first) => {
      const [app, radio] = [changed(first.image, 5).slice(0, RADIO_BYTES), changed(RADIO, 9)];
      const { digest, bytes } = await full(server, 'radio', app);
      const own = await full(server, 'radio', radio);
      const components = [{ ...own, digest, bytes }];
      return { change: { image: { digest: own.digest, bytes: own.bytes }, components } };
    },
  ],
  [
    "with another release's radio under this one's digest",
    'BAD_DELTA',
    async (server) => {
      const { branches } = await full(server, 'radio', image(RADIO_BYTES, 13));
      return { change: { components: [{ ...(await full(server, 'radio', changed(RADIO, 9))), branches }] } };
    },
  ],
];

for (const [title, code, make] of HOSTILE) {
  test(`a release ${title} is never booted: ${code}`, async (t) => {
    const { server, first } = await world();
    const device = new PocketDevice(server, first);
    await server.publish(changed(first.image, 5), { bases: [first], ...(await make(server, first)) });
    device.jumped = (slot) => t.is(slot, 0);
    await device.start();
    t.is(runs(device, [first]), 0);
    t.is(device.device!.state.running.sequence, 1);
    t.true(server.reports.length > 0 && server.reports.every((report) => outcomeOf(report) === 'refused'));
    t.is(server.reports[0]!.code, code as 'NO_SPACE');
  });
}

test('a device with one component refuses a release of two', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(APP_BYTES, 3));
  for (const options of [{}, { oneSlot: {} }] satisfies PocketDeviceOptions[]) {
    server.reports.length = 0;
    const device = new PocketDevice(server, first, options);
    await server.publish(changed(first.image, 5), { components: { radio: RADIO } });
    await device.start();
    t.true(device.codes().includes('WRONG_COMPONENTS'));
    t.is(device.device!.state.running.sequence, 1);
  }
});

test('a device without slots for a component that it runs does not start', async (t) => {
  const { server, first } = await world();
  const { board, time } = new PocketDevice(server, first);
  const [slot0, slot1] = board.slots;
  const refused = t.throws(
    () =>
      new Device({
        ...{ verifier, store: board.store, boot: board.boot, timer: time, link: pocketLink(server) },
        slots: [slot0, slot1],
        keys: nodeKeyStore(-19, new Uint8Array(32).fill(42)),
        entropy: { random: (bytes) => new Uint8Array(bytes) },
        clock: { now: () => undefined },
        health: { selfTest: async () => true, deadlineMs: 1000 },
        ...{ workspace: new Uint8Array(8192), memoryClass: 'M', decoders: EVERY_DECODER },
      }),
  );
  t.is(codeOf(refused), 'BAD_STATE');
});

test('a profile makes a device of its own components, each image in its slot, and of no others', async (t) => {
  const { server, first } = await world();
  const folder = await mkdtemp(join(tmpdir(), 'countersign-components-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'profile.json');
  const slots = (bytes: number) => ({ kind: 'file', bytes });
  const profileOf = async (components: object[] | undefined) => {
    const profile = {
      ...{ folder: 'device', memoryClass: 'M', key: 'device.key', links: [{ url: 'mqtt://localhost' }] },
      ...{ slots: slots(65_536), boot: { kind: 'file' }, health: { command: ['true'] }, components },
    };
    await writeFile(path, JSON.stringify(profile));
    return readProfile(path);
  };
  const record = server.provision(first, new Uint8Array(16).fill(7));
  const radio = { id: 'radio', slots: slots(16_384) };
  const rows: [string, object[] | undefined, Record<string, Uint8Array>, Code][] = [
    ['without a slot for the radio', undefined, {}, 'WRONG_COMPONENTS'],
    ['with another one', [{ ...radio, id: 'modem' }], {}, 'WRONG_COMPONENTS'],
    ['with one more', [radio, { ...radio, id: 'modem' }], {}, 'WRONG_COMPONENTS'],
    ['and an image of one that it has not', [radio], { radio: RADIO, modem: RADIO }, 'WRONG_COMPONENTS'],
    ['and the radio of another release', [radio], { radio: changed(RADIO, 9) }, 'RESULT_MISMATCH'],
    ['and no radio', [radio], {}, 'RESULT_MISMATCH'],
  ];
  for (const [why, components, images, code] of rows) {
    const profile = await profileOf(components);
    const options = { image: first.image, components: images };
    t.is(codeOf(t.throws(() => provisionGateway(profile, verifier, record, options), undefined, why)), code, why);
  }
  const profile = await profileOf([radio]);
  provisionGateway(profile, verifier, record, { image: first.image, components: { radio: RADIO } });
  t.deepEqual(new Uint8Array(await readFile(join(folder, 'device/slot-0/radio.bin'))).slice(0, RADIO_BYTES), RADIO);
  const { running } = readState(profile, verifier);
  t.deepEqual(running.image.components, [{ id: 'radio', digest: sha256(RADIO), bytes: RADIO_BYTES }]);

  // What runs must not be taken for an empty slot, which the boot control would go on to start.
  const modem = { id: 'modem', slots: slots(16_384) };
  for (const components of [undefined, [], [radio, modem]]) {
    const other = await profileOf(components);
    t.is(codeOf(t.throws(() => openRegions(other))), 'BAD_STORE', `a device already, and now ${components?.length}`);
  }
  await rm(join(folder, 'device/slot-1/radio.bin'));
  t.is(
    codeOf(t.throws(() => readState(profile, verifier))),
    'BAD_STORE',
    'a slot that is gone is not made anew, erased',
  );
});
