/** Products of several components on the servers: what the ledger takes, what is planned, what an engineer signs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPrepared, type Expectations, signUpload } from '@countersign/broker/collection/check-prepared';
import { createCollection } from '@countersign/broker/collection/collection';
import { basesMaxOf, devicesOf, releasesOf } from '@countersign/broker/collection/components';
import { noArgs, objectDigest, type Product, productArgs, readProduct } from '@countersign/broker/ledger/contract/args';
import { type TrialComponent, type TrialProfile, trialArgs } from '@countersign/broker/ledger/contract/trial-args';
import type { DeviceView, ReleaseView, TrialView } from '@countersign/broker/ledger/contract/views';
import { cidOf } from '@countersign/broker/store/cid';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { type Code, codeOf, Refusal } from '@countersign/device-sdk';
import { BRANCHES_MAX, type Component, hex, type Manifest, readManifest, utf8 } from '@countersign/device-sdk/format';
import { branchesHere } from '@countersign/simulator/virtual/branches';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  CLASS,
  enrolDevices,
  newDevice,
  newRelease,
  newWorld,
  nextReport,
  ORIGIN,
  PRODUCT,
  PRODUCT_OBJECT,
  sha256,
  verifier,
  type World,
} from './ledger-world.ts';

const DUO: Product = { ...PRODUCT, components: [{ id: 'radio', slotBytes: 32_768 }] };

async function worldOf(t: ExecutionContext, product: Product = DUO): Promise<World> {
  const world = await newWorld();
  t.teardown(() => world.end());
  await act(world, world.people.alice!, 'product', PRODUCT_OBJECT, productArgs(product));
  return world;
}

function component(id: string, name = id, bytes = 20_000): Component {
  const payload = { bytes: 9_000, chainHead: sha256(utf8(`chain ${name}`)), frameBytes: 1024, frameCount: 9 };
  return { id, digest: sha256(utf8(name)), bytes, branches: [{ payload, memoryClass: 'M', workspaceBytes: 8192 }] };
}

test('a product says its components in one form', (t) => {
  const oneSlot = { pageBytes: 4096, stagingBytes: 20_000 };
  for (const product of [
    DUO,
    { ...DUO, cpu: 'thumb' as const },
    { ...DUO, oneSlot, requireTrial: { devices: 1, successPercent: 9 } },
  ])
    t.deepEqual(readProduct(productArgs(product)), product);
  for (const components of [[], [1, 2, 3, 4].map((i) => ({ id: `c${i}`, slotBytes: 1 }))]) {
    const error = t.throws(() => readProduct(productArgs({ ...PRODUCT, components })));
    t.is(codeOf(error), 'MALFORMED');
  }
});

test('the ledger refuses a product whose components could not be kept apart or together', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const radio = { id: 'radio', slotBytes: 4096 };
  const rows: [string, Partial<Product>][] = [
    ['one name twice', { components: [radio, radio] }],
    ['the name of the application', { components: [{ ...radio, id: 'app' }] }],
    ['a name with a slash', { components: [{ ...radio, id: '../radio' }] }],
    ['an empty slot', { components: [{ ...radio, slotBytes: 0 }] }],
    ['one slot', { components: [radio], oneSlot: { pageBytes: 4096, stagingBytes: 4096 } }],
  ];
  for (const [why, change] of rows) {
    const args = productArgs({ ...PRODUCT, ...change });
    const error = await t.throwsAsync(act(world, world.people.alice!, 'product', PRODUCT_OBJECT, args), undefined, why);
    t.is(codeOf(error), 'BAD_STATEMENT', why);
  }
});

test('a release has the components of its product, no others, and each fits its slot', async (t) => {
  const world = await worldOf(t);
  const upload = async (change: Partial<Manifest>) => {
    const release = await newRelease(world, 1, undefined, change);
    return act(world, world.people.alice!, 'upload', release.leaf, release.args);
  };
  const radio = component('radio');
  const rows: [string, Partial<Manifest>][] = [
    ['without the radio', {}],
    ['with another component', { components: [component('modem')] }],
    ['with one more', { components: [radio, component('modem')] }],
    ['with a radio larger than its slot', { components: [component('radio', 'radio', 32_769)] }],
    ['with an empty radio', { components: [component('radio', 'radio', 0)] }],
    [
      'with a radio of a larger memory class',
      { components: [{ ...radio, branches: [{ ...radio.branches[0]!, memoryClass: 'G' }] }] },
    ],
  ];
  for (const [why, change] of rows) {
    const error = await t.throwsAsync(upload(change), undefined, why);
    t.is(codeOf(error), 'BAD_STATEMENT', why);
  }
  await upload({ components: [radio] });
  const [view] = (await world.ledger.evaluate('listReleases', hex(CLASS))) as ReleaseView[];
  const chainHead = hex(radio.branches[0]!.payload.chainHead);
  t.deepEqual(view!.components, [
    {
      ...{ id: 'radio', imageDigest: hex(radio.digest), imageBytes: 20_000, contentId: cidOf(radio.digest) },
      branches: [{ baseDigest: null, baseBytes: null, payloadBytes: 9_000, chainHead }],
    },
  ]);
});

test('a trial record of a release of two speaks of both, leaves out no branch of either, and contradicts itself nowhere', async (t) => {
  const world = await worldOf(t, { ...DUO, requireTrial: { devices: 1, successPercent: 100 } });
  const { alice, bob } = world.people;
  const radio = component('radio');
  const base = { digest: sha256(utf8('former radio')), bytes: 20_000 };
  const { payload } = component('radio', 'delta').branches[0]!;
  const branches = [{ ...radio.branches[0]!, base, payload }, ...radio.branches];
  const release = await newRelease(world, 1, undefined, { components: [{ ...radio, branches }] });
  await act(world, alice!, 'upload', release.leaf, release.args);
  const approve = () => act(world, bob!, 'approve', release.leaf, noArgs());
  t.is(codeOf(await t.throwsAsync(approve())), 'NOT_TRIED');
  const ended = (code: string) => [{ code, count: 1 }];
  const of = (id: string, baseDigest: Uint8Array | null, code = 'OK') => ({ id, baseDigest, outcomes: ended(code) });
  const profile = (components?: TrialComponent[], code = 'OK') => ({
    ...{ hardware: 'A', baseDigest: null, devices: 1, outcomes: ended(code) },
    ...(components && { components }),
  });
  const record = (...profiles: TrialProfile[]) => ({
    ...{ releaseLeaf: release.leaf, sequence: 1, seed: 'one', faults: { lossPpm: 0, liePpm: 0, powerCut: 400 } },
    ...{ profiles, logDigest: sha256(utf8('log')) },
  });
  const submit = (...profiles: TrialProfile[]) =>
    act(world, bob!, 'trial', objectDigest(sha256, 'trial', release.leaf), trialArgs(record(...profiles)));
  const [foreign, former] = [
    profile([of('app', null), of('radio', null)]),
    profile([of('app', null), of('radio', base.digest)]),
  ];
  const rows: [string, RegExp, TrialProfile[]][] = [
    ['of the application alone', /other components/, [profile()]],
    ['of another component', /other components/, [profile([of('app', null), of('modem', null)])]],
    ['without the application', /the application/, [profile([of('radio', null), of('app', null)])]],
    ['with another base of it', /the application/, [profile([of('app', base.digest), of('radio', null)])]],
    ['without the delta of the radio', /no radio .* came from/, [foreign]],
    ['without the whole radio', /no radio .* came from another image/, [former]],
    [
      'where the radio was there already',
      /no radio .* came from/,
      [former, profile([of('app', null), of('radio', radio.digest)])],
    ],
    [
      'that passed without its radio',
      /fewer with one/,
      [foreign, profile([of('app', null), of('radio', base.digest, 'BAD_DELTA')])],
    ],
    ['twice', /stands twice/, [foreign, former, former]],
  ];
  for (const [why, text, profiles] of rows) {
    const error = await t.throwsAsync(submit(...profiles), undefined, why);
    t.is(codeOf(error), 'BAD_STATEMENT', why);
    t.regex(error!.message, text, why);
  }
  const bad = profile(
    [of('app', null, 'NOT_CURRENT'), of('radio', base.digest, 'SELF_TEST_FAILED')],
    'SELF_TEST_FAILED',
  );
  await submit(foreign, bad);
  t.is(codeOf(await t.throwsAsync(approve())), 'NOT_TRIED');
  await submit(foreign, former);
  const view = (await world.ledger.evaluate('getTrial', hex(release.leaf))) as TrialView;
  t.deepEqual(view.profiles[1]!.components![1], { id: 'radio', baseDigest: hex(base.digest), outcomes: { OK: 1 } });
  await approve();
});

test('a product of one component takes no release of two', async (t) => {
  const world = await worldOf(t, PRODUCT);
  const release = await newRelease(world, 1, undefined, { components: [component('radio')] });
  const error = await t.throwsAsync(act(world, world.people.alice!, 'upload', release.leaf, release.args));
  t.is(codeOf(error), 'BAD_STATEMENT');
});

test('the ledger shows what a device last said of each component', async (t) => {
  const world = await worldOf(t);
  const device = newDevice();
  await enrolDevices(world, [device]);
  const digest = sha256(utf8('radio'));
  await world.ledger.submit(await nextReport(device, { components: [{ id: 'radio', digest, code: 'OK' }] }));
  const view = (await world.ledger.evaluate('getDevice', hex(device.id))) as DeviceView;
  t.deepEqual(view.components, [{ id: 'radio', digest: hex(digest), code: 'OK' }]);
  await world.ledger.submit(await nextReport(device));
  const later = (await world.ledger.evaluate('getDevice', hex(device.id))) as DeviceView;
  t.is(later.components, undefined);
});

test('components share the places of a manifest, and each is planned from what devices run of it', (t) => {
  for (const components of [1, 2, 3, 4]) {
    const max = basesMaxOf(components);
    t.true(max >= 1 && components * (max + 1) <= BRANCHES_MAX, `${components}`);
  }
  const release = { imageDigest: 'app', components: [{ id: 'radio', imageDigest: 'r' }] } as unknown as ReleaseView;
  t.is(releasesOf([release], 'radio')[0]!.imageDigest, 'r');
  t.deepEqual(releasesOf([release], 'modem'), []);
  const device = { slotDigest: 'app', components: [{ id: 'radio', digest: 'r' }] } as unknown as DeviceView;
  t.is(devicesOf([device], 'radio')[0]!.slotDigest, 'r');
  t.is(devicesOf([device], 'modem')[0]!.slotDigest, null);
});

const policy = { mandatory: true, log: true, reboot: true, downgrade: false };
const order = (version: string) => ({ product: 'node', version, policy, fileName: 'node.bin' });
const image = (seed: number, bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 5)) & 0xff);

async function collectionOf(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-components-'));
  const world = await worldOf(t);
  const { ledger, keys } = world;
  const blobs = fileBlobStore(folder, sha256);
  const parts = { ledger, blobs, verifier, signer: keys.collection, service: keys.service, origin: ORIGIN };
  const collection = createCollection({ ...parts, bench: { cuts: 1 }, runner: branchesHere });
  t.teardown(async () => {
    await collection.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { world, blobs, collection };
}

test('a release is made, tried and signed with all its components; one that stays gets no delta', async (t) => {
  const { world, blobs, collection } = await collectionOf(t);
  const [app, radio] = [image(3, 6000), image(7, 4000)];
  const first = await collection.prepare(app, order('1'), { radio });
  const asked: Expectations = { vendorDomain: PRODUCT.vendorDomain, ...order('1'), components: { radio } };
  const statement = await signUpload(verifier, world.people.alice!, ORIGIN, app, first, asked);
  await collection.submitUpload(statement);
  await act(world, world.people.bob!, 'approve', first.releaseLeaf);
  await collection.confirm(first.releaseLeaf);
  t.deepEqual(await blobs.blob(sha256(radio)), radio);
  await t.throwsAsync(collection.prepare(app, order('1'), { radio }), { instanceOf: Refusal, code: 'EXISTS' });

  const fresh = radio.map((byte, i) => (i % 997 === 9 ? byte ^ 0x5a : byte));
  const second = await collection.prepare(app, order('2'), { radio: fresh });
  t.deepEqual(
    second.branches.map(({ component: id, base }) => [id, base]),
    [
      [undefined, null],
      ['radio', '1'],
      ['radio', null],
    ],
  );
  const manifest = readManifest(second.manifest);
  t.deepEqual(manifest.components![0]!.branches[0]!.base, { digest: sha256(radio), bytes: radio.length });
  for (const { payload } of manifest.components![0]!.branches)
    t.is((await blobs.frames(payload)).length, payload.frameCount);
});

test('an order that leaves a component out, or names a strange one, is refused before any work', async (t) => {
  const { collection } = await collectionOf(t);
  const app = image(3, 6000);
  const rows: [string, Code, Record<string, Uint8Array>][] = [
    ['no radio', 'BAD_REQUEST', {}],
    ['an empty radio', 'BAD_REQUEST', { radio: new Uint8Array() }],
    ['a strange component', 'BAD_REQUEST', { radio: image(7, 4000), modem: image(5, 100) }],
    ['a radio over its slot', 'NO_SPACE', { radio: new Uint8Array(32_769).fill(1) }],
    ['one image for both', 'BAD_REQUEST', { radio: app }],
  ];
  for (const [why, code, further] of rows) {
    const error = await t.throwsAsync(collection.prepare(app, order('1'), further), undefined, why);
    t.is(codeOf(error), code, why);
  }
});

test('the engineer signs for his own files of every component alone', async (t) => {
  const { collection } = await collectionOf(t);
  const [app, radio] = [image(3, 6000), image(7, 4000)];
  const prepared = await collection.prepare(app, order('1'), { radio });
  const asked = { vendorDomain: PRODUCT.vendorDomain, ...order('1') };
  const check = (components: Record<string, Uint8Array>) => () =>
    checkPrepared(verifier, app, prepared, { ...asked, components });
  t.notThrows(check({ radio }));
  const wrong: Record<string, Uint8Array>[] = [{}, { radio: app }, { modem: radio }, { radio, modem: app }];
  for (const files of wrong) {
    t.is(codeOf(t.throws(check(files))), 'BAD_STATEMENT', Object.keys(files).join());
  }
});
