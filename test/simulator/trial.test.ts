/** What a trial says of releases that fail in one way each; every one of them comes to an end. */
import { makeBranch } from '@countersign/broker/collection/make';
import type { Code } from '@countersign/device-sdk';
import {
  encodeManifest,
  hex,
  type Manifest,
  makeFrames,
  NO_LEAF,
  publicKeyOf,
  signBlock1,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { encodeDescriptor, Prng } from '@countersign/device-sdk/rig';
import { runTrial, type TrialInput } from '@countersign/simulator/trial/run';
import test from 'ava';

const verifier = nodeVerifier();
const { sha256 } = verifier;
const classId = sha256(Uint8Array.of(1)).slice(0, 16);
const SLOT_BYTES = 16_384;

function imageOf(failsOn: string[]): Uint8Array {
  const image = new Prng('trial', 'image').bytes(6_000);
  image.set(encodeDescriptor({ product: 'node', version: '1.0.0', failsOn }), 100);
  return image;
}

async function inputOf(
  image: Uint8Array,
  change: Partial<Manifest> = {},
  pageBytes: number | undefined = undefined,
): Promise<TrialInput> {
  const made = makeBranch({ kind: 'make', image, memoryClass: 'M', imageBase: 0, cpu: 'none', pageBytes });
  const { payload, frames } = makeFrames(sha256, made.container, 512);
  const manifest = encodeManifest({
    ...{ sequence: 1, vendorId: classId, classId, version: '1.0.0', policy: 7 },
    image: { digest: sha256(image), bytes: image.length },
    branches: [{ payload, memoryClass: 'M', workspaceBytes: made.workspaceBytes }],
    ...change,
  });
  const collection = nodeKeyStore(-19, generateKeyPair(-19).secret);
  return {
    verifier,
    product: { classId: hex(classId), memoryClass: 'M', slotBytes: SLOT_BYTES },
    block1: await signBlock1(sha256, manifest, NO_LEAF, collection),
    collectionKey: publicKeyOf(collection),
    manifest,
    image,
    frames: new Map([[hex(payload.chainHead), frames]]),
    profiles: [{ hardware: 'C', baseDigest: null, base: new Uint8Array(64).fill(1), devices: 2 }],
    seed: 'seed',
    rates: { loss: 0.05, lie: 0.02, powerCut: 300 },
    line: () => {},
  };
}

async function outcomes(input: TrialInput): Promise<Record<string, number>> {
  const { profiles } = await runTrial(input);
  return Object.fromEntries(profiles[0]!.outcomes.map(({ code, count }) => [code, count]));
}

test('a sound release ends as OK, one that fails its self-test on this hardware does not', async (t) => {
  t.deepEqual(await outcomes(await inputOf(imageOf(['B']))), { OK: 2 });
  t.deepEqual(await outcomes(await inputOf(imageOf(['C']))), { SELF_TEST_FAILED: 2 });
});

test('another key, other content and missing room are said by their codes', async (t) => {
  const image = imageOf([]);
  const good = await inputOf(image);
  const stranger = publicKeyOf(nodeKeyStore(-19, generateKeyPair(-19).secret));
  const other = { digest: sha256(Uint8Array.of(2)), bytes: image.length };
  const small = { ...good.product, slotBytes: 4_096 };
  const rows: [string, Code, TrialInput][] = [
    ['block 1 by another key', 'UNKNOWN_KEY', { ...good, collectionKey: stranger }],
    ['a manifest of another image', 'BAD_DELTA', await inputOf(image, { image: other })],
    ['a slot that is too small', 'NO_SPACE', { ...good, product: small }],
  ];
  for (const [why, code, input] of rows) t.deepEqual(await outcomes(input), { [code]: 2 }, why);
});

test('a server that gives junk for frames brings nobody to the release, and the trial ends', async (t) => {
  const good = await inputOf(imageOf([]));
  const junk = new Map(
    [...good.frames].map(([head, list]) => [head, list.map((frame) => new Uint8Array(frame.length))]),
  );
  const found = await outcomes({ ...good, frames: junk });
  t.false('OK' in found, JSON.stringify(found));
  t.is(
    Object.values(found).reduce((sum, count) => sum + count, 0),
    2,
  );
});

test('devices with one slot take what their staging area holds, and keep the old image where it holds nothing', async (t) => {
  const good = await inputOf(imageOf([]), {}, 4_096);
  const product = (stagingBytes: number) => ({ ...good.product, oneSlot: { pageBytes: 4_096, stagingBytes } });
  t.deepEqual(await outcomes({ ...good, product: product(16_384) }), { OK: 2 });
  t.deepEqual(await outcomes({ ...good, product: product(4_096) }), { NO_STAGING: 2 });
});

/** Two components: the application that is given, and a radio. */
async function inputOfTwo(radioFailsOn: string[], radioStays = false): Promise<TrialInput> {
  const [image, radio] = [imageOf([]), imageOf(radioFailsOn).map((byte, i) => (i > 4_000 ? byte ^ 0x55 : byte))];
  const made = makeBranch({ kind: 'make', image: radio, memoryClass: 'M', imageBase: 0, cpu: 'none' });
  const { payload, frames } = makeFrames(sha256, made.container, 512);
  const branches = [{ payload, memoryClass: 'M' as const, workspaceBytes: made.workspaceBytes }];
  const components = [{ id: 'radio', digest: sha256(radio), bytes: radio.length, branches }];
  const input = await inputOf(image, { components });
  const base = radioStays ? { baseDigest: sha256(radio), base: radio } : { baseDigest: null, base: image };
  return {
    ...input,
    product: { ...input.product, components: [{ id: 'radio', slotBytes: SLOT_BYTES }] },
    components: [{ id: 'radio', image: radio }],
    frames: new Map([...input.frames, [hex(payload.chainHead), frames]]),
    profiles: [{ ...input.profiles[0]!, components: [{ id: 'radio', ...base }] }],
  };
}

const partsOf = async (input: TrialInput) => {
  const { profiles } = await runTrial(input);
  const { outcomes: whole, components } = profiles[0]!;
  const text = (list: typeof whole) => list.map(({ code, count }) => `${count} ${code}`).join();
  return [text(whole), ...components!.map((one) => `${one.id} ${text(one.outcomes)}`)];
};

test('of several components each is judged, and whose self-test failed is told from who went back with it', async (t) => {
  const good = await inputOfTwo([]);
  t.deepEqual(await partsOf(good), ['2 OK', 'app 2 OK', 'radio 2 OK']);
  const failed = ['2 SELF_TEST_FAILED', 'app 2 NOT_CURRENT', 'radio 2 SELF_TEST_FAILED'];
  t.deepEqual(await partsOf(await inputOfTwo(['C'])), failed);
  t.deepEqual(await partsOf(await inputOfTwo([], true)), ['2 OK', 'app 2 OK', 'radio 2 OK'], 'a radio that stays');
  // The onlooker has the true radio, and finds another one in flash.
  const { components } = good;
  const other = components!.map((one) => ({
    ...one,
    image: one.image.map((byte, i) => (i === 5_000 ? byte ^ 1 : byte)),
  }));
  const mixed = ['2 RESULT_MISMATCH', 'app 2 OK', 'radio 2 RESULT_MISMATCH'];
  t.deepEqual(await partsOf({ ...good, components: other }), mixed);
});
