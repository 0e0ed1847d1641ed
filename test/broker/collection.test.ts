import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPrepared, type Expectations, signUpload } from '@countersign/broker/collection/check-prepared';
import { type CollectionOptions, createCollection } from '@countersign/broker/collection/collection';
import { type BranchRunner, branchRunner } from '@countersign/broker/collection/jobs';
import type { ReleaseOrder } from '@countersign/broker/collection/order';
import { type Prepared, preparedJson, readPreparedJson } from '@countersign/broker/collection/prepared';
import { objectDigest, type Product, productArgs } from '@countersign/broker/ledger/contract/args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import type { ProductView } from '@countersign/broker/ledger/contract/views';
import { cidOf } from '@countersign/broker/store/cid';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { concat, hex, leafHash, readBlock1, readManifest, type Signer } from '@countersign/device-sdk/format';
import { encodeDescriptor, Prng } from '@countersign/device-sdk/rig';
import { readSample, vendorDomain } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { act, enrolment, newSigner, newWorld, ORIGIN, personObject, sha256, tx, verifier } from './ledger-world.ts';

const refusal = (code: string, message?: RegExp) => ({ instanceOf: Refusal, code, ...(message && { message }) });
const policy = { mandatory: true, log: true, reboot: true, downgrade: false };

function countingSigner(signer: Signer): Signer & { signatures: number } {
  const counting = {
    alg: signer.alg,
    publicKey: signer.publicKey,
    signatures: 0,
    sign: (message: Uint8Array) => {
      counting.signatures++;
      return signer.sign(message);
    },
  };
  return counting;
}

const PRODUCT: Product = {
  vendorDomain,
  name: 'sensor-node',
  memoryClass: 'M',
  frameBytes: 512,
  slotBytes: 229_376,
  imageBase: 0x0800_8000,
};
const CLASS = classId(vendorId(vendorDomain), PRODUCT.name);

/** One for all servers of this file: each would start a thread of its own, cold. Nobody who borrows it ends it. */
const runner = branchRunner();
const lent: BranchRunner = { ...runner, close: async () => {} };
test.after.always(() => runner.close());

/** A real ledger with alice (engineer) and bob (approver), a store, and a collection server over both. */
async function setUp(t: ExecutionContext, change: Partial<CollectionOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-collection-'));
  const world = await newWorld();
  const { ledger, people, keys } = world;
  const addProduct = (product: Product) => {
    const object = objectDigest(sha256, 'product', classId(vendorId(product.vendorDomain), product.name));
    return act(world, people.alice!, 'product', object, productArgs(product));
  };
  await addProduct(PRODUCT);
  const blobs = fileBlobStore(folder, sha256);
  const signer = countingSigner(keys.collection);
  const bench = { cuts: 1 };
  const base = { ledger, blobs, verifier, signer, service: keys.service, origin: ORIGIN, bench };
  const options = { ...base, runner: lent, ...change };
  const collection = createCollection(options);
  t.teardown(async () => {
    await collection.close();
    await world.end();
    await rm(folder, { recursive: true, force: true });
  });
  const asked = (order: ReleaseOrder): Expectations => ({ vendorDomain, ...order });
  const upload = async (image: Uint8Array, order: ReleaseOrder, prepared: Prepared) =>
    collection.submitUpload(await signUpload(verifier, people.alice!, ORIGIN, image, prepared, asked(order)));
  const approve = (releaseLeaf: Uint8Array) => act(world, people.bob!, 'approve', releaseLeaf);
  /** The whole way of a release. */
  const release = async (image: Uint8Array, order: ReleaseOrder) => {
    const prepared = await collection.prepare(image, order);
    await upload(image, order, prepared);
    await approve(prepared.releaseLeaf);
    await collection.confirm(prepared.releaseLeaf);
    return prepared;
  };
  const product = async () => (await ledger.evaluate('getProduct', hex(CLASS))) as ProductView;
  const size = async () => (await ledger.head()).head.size;
  return {
    folder,
    blobs,
    world,
    signer,
    options,
    collection,
    asked,
    upload,
    approve,
    release,
    addProduct,
    product,
    size,
  };
}

function order(version: string, change: Partial<ReleaseOrder> = {}): ReleaseOrder {
  return { product: 'sensor-node', version, policy, fileName: `sensor-node-${version}.bin`, ...change };
}

const sample = (version: string) => readSample('sensor-node', version);

/** Bytes that look like a program to the compressor: half of it repeats. */
function smallImage(name: string, version: string, failsOn: string[] = [], product = 'sensor-node'): Uint8Array {
  const noise = new Prng('image', name).bytes(6_000);
  return concat(noise, noise, encodeDescriptor({ product, version, failsOn }));
}

test('three real releases: the first in full, the next by deltas from what was confirmed before', async (t) => {
  const { blobs, product, collection, asked, release } = await setUp(t, { bench: {} });
  const first = await release(sample('1.0.0'), order('1.0.0'));
  t.deepEqual(
    first.branches.map((branch) => branch.base),
    [null],
  );
  const second = await release(sample('1.0.1'), order('1.0.1'));
  t.deepEqual(
    second.branches.map((branch) => branch.base),
    ['1.0.0', null],
  );

  // A device revision that is not on the bench will fail this one: the trial cannot know.
  const image = sample('1.2.0');
  const third = await collection.prepare(image, order('1.2.0'));
  t.deepEqual(
    third.branches.map((branch) => branch.base),
    ['1.0.1', '1.0.0', null],
  );
  const manifest = readManifest(third.manifest);
  t.like(manifest, { sequence: 3, version: '1.2.0', policy: 7 });
  t.deepEqual(manifest.classId, CLASS);
  t.deepEqual(manifest.image, { digest: sha256(image), bytes: image.length });
  t.deepEqual(readBlock1(third.block1).previousLeaf, second.releaseLeaf);
  t.is(third.contentId, cidOf(sha256(image)));
  t.deepEqual(await blobs.blob(sha256(image)), image);
  for (const { payload } of manifest.branches) t.is((await blobs.frames(payload)).length, payload.frameCount);
  for (const branch of third.branches) {
    t.like(branch.trial, { cuts: 6, hardware: ['A', 'B'] });
    t.true(branch.trial.operations > 50);
  }
  const [delta, , full] = third.branches;
  t.true(delta!.bytes < full!.bytes && full!.bytes < image.length);
  t.log(third.branches.map((b) => `${b.base ?? 'full'} ${b.bytes} B ${b.percent} % ${b.seconds} s`).join(', '));
  t.notThrows(() => checkPrepared(verifier, image, third, asked(order('1.2.0'))));
  t.is((await product()).sequence, 2);
});

test('preparing the same release again, by another server over the same store, gives the same bytes', async (t) => {
  const { options, release } = await setUp(t);
  await release(smallImage('one', '1'), order('1'));
  const again = createCollection(options);
  t.teardown(() => again.close());
  const image = smallImage('two', '2');
  const [a, b] = [await again.prepare(image, order('2')), await again.prepare(image, order('2'))];
  t.deepEqual([a.block1, a.manifest], [b.block1, b.manifest]);
});

test('a prepared release survives the API: the JSON reads back', async (t) => {
  const { collection } = await setUp(t);
  const prepared = await collection.prepare(smallImage('one', '1'), order('1'));
  t.deepEqual(readPreparedJson(JSON.parse(JSON.stringify(preparedJson(prepared)))), prepared);
  for (const bad of [
    null,
    7,
    {},
    { ...preparedJson(prepared), block1: 'xx' },
    { ...preparedJson(prepared), branches: 1 },
  ]) {
    t.throws(() => readPreparedJson(bad), refusal('MALFORMED'));
  }
});

test('an image that fails the trial is neither signed nor stored', async (t) => {
  const { collection, signer, blobs } = await setUp(t);
  const cases: [string, Uint8Array, RegExp][] = [
    ['fails its self-test on a revision of the bench', smallImage('one', '1', ['B']), /SELF_TEST_FAILED|self-test/],
    ['says it is another version', smallImage('two', '9'), /version 9.*published as 1/],
    ['says it is another product', smallImage('three', '1', [], 'toaster'), /toaster.*published as sensor-node/],
  ];
  for (const [name, image, message] of cases) {
    await t.throwsAsync(collection.prepare(image, order('1')), refusal('TRIAL_RIG', message), name);
    t.false(await blobs.has(sha256(image)), name);
  }
  t.is(signer.signatures, 0);
});

test('a delta that is no smaller than the full image is dropped, and said so', async (t) => {
  const { collection, release } = await setUp(t);
  await release(smallImage('one', '1'), order('1'));
  const prepared = await collection.prepare(smallImage('two', '2'), order('2'));
  t.deepEqual(
    prepared.branches.map((branch) => branch.base),
    [null],
  );
  t.like(prepared.dropped, [{ base: '1' }]);
  t.regex(prepared.dropped[0]!.reason, /smaller than the compressed image/);
});

test('a base whose image is lost is dropped, and said so', async (t) => {
  const { collection, release, folder } = await setUp(t);
  await release(smallImage('one', '1'), order('1'));
  await rm(join(folder, 'blobs'), { recursive: true });
  const prepared = await collection.prepare(smallImage('one', '2'), order('2'));
  t.like(prepared.dropped, [{ base: '1' }]);
  t.regex(prepared.dropped[0]!.reason, /NOT_FOUND/);
});

test('a downgrade carries old bytes under a new sequence, and their label need not be new', async (t) => {
  const { collection, release } = await setUp(t);
  const old = smallImage('one', '1');
  await release(old, order('1'));
  const later = Uint8Array.from(old);
  later[100]! ^= 1;
  await release(later, order('2', { policy: { ...policy, downgrade: true } }));
  const downgrade = await collection.prepare(old, order('1', { policy: { ...policy, downgrade: true } }));
  t.is(downgrade.sequence, 3);
  t.deepEqual(
    downgrade.branches.map((branch) => branch.base),
    ['2', '1', null],
  );
});

test('an order that cannot be met is refused before any work', async (t) => {
  const { collection, release, signer, addProduct } = await setUp(t);
  const image = smallImage('one', '1');
  await release(image, order('1'));
  const before = signer.signatures;
  const other = smallImage('two', '1');
  const cases: [string, string, Uint8Array, ReleaseOrder][] = [
    ['an unknown product', 'NOT_FOUND', image, order('2', { product: 'toaster' })],
    ['an empty image', 'BAD_REQUEST', new Uint8Array(), order('2')],
    ['an image over the slot', 'NO_SPACE', new Uint8Array(229_377), order('2')],
    ['an empty label', 'BAD_REQUEST', other, order('')],
    ['a label of 33 characters', 'BAD_REQUEST', other, order('x'.repeat(33))],
    ['a label that steers a terminal', 'BAD_REQUEST', other, order('1\u001b[2J')],
    ['a file name that steers a terminal', 'BAD_REQUEST', other, order('2', { fileName: 'a\nb' })],
    ['the newest release once more', 'EXISTS', image, order('1')],
    ['a label that names another image', 'EXISTS', other, order('1')],
    ['a base that was never released', 'NOT_FOUND', other, order('2', { bases: ['7'] })],
  ];
  for (const [name, code, bytes, wanted] of cases) {
    await t.throwsAsync(collection.prepare(bytes, wanted), refusal(code), name);
  }
  await addProduct({ ...PRODUCT, vendorDomain: 'other.example' });
  await t.throwsAsync(collection.prepare(other, order('2')), refusal('BAD_REQUEST', /several products/));
  t.is(signer.signatures, before);
});

test('the engineer signs only what he asked for', async (t) => {
  const { collection, asked, signer } = await setUp(t);
  const image = smallImage('one', '1');
  const right = await collection.prepare(image, order('1'));
  const other = await collection.prepare(smallImage('two', '1'), order('1'));
  const expected = asked(order('1'));
  const root = (key: Signer) =>
    ({
      roles: { collection: { keys: [{ alg: key.alg, bytes: key.publicKey }] } },
    }) as unknown as Expectations['root'] & {};
  const cases: [string, string, Uint8Array, Prepared, Expectations][] = [
    ['another image', 'BAD_STATEMENT', image, other, expected],
    ['a file changed since', 'BAD_STATEMENT', concat(image, Uint8Array.of(0)), right, expected],
    ['another version', 'BAD_STATEMENT', image, right, { ...expected, version: '2' }],
    ['another policy', 'BAD_STATEMENT', image, right, { ...expected, policy: { ...policy, downgrade: true } }],
    ['another product', 'BAD_STATEMENT', image, right, { ...expected, product: 'valve-controller' }],
    ['another vendor', 'BAD_STATEMENT', image, right, { ...expected, vendorDomain: 'evil.example' }],
    ['another file name', 'BAD_STATEMENT', image, { ...right, fileName: 'x' }, expected],
    ['another content id', 'BAD_STATEMENT', image, { ...right, contentId: other.contentId }, expected],
    ['another release leaf', 'BAD_STATEMENT', image, { ...right, releaseLeaf: other.releaseLeaf }, expected],
    ['block 1 of another manifest', 'BAD_STATEMENT', image, { ...right, block1: other.block1 }, expected],
    ['a key that is not the collection key', 'UNKNOWN_KEY', image, right, { ...expected, root: root(newSigner()) }],
    ['bytes that are no manifest', 'MALFORMED', image, { ...right, manifest: Uint8Array.of(1) }, expected],
  ];
  for (const [name, code, file, prepared, asks] of cases) {
    t.throws(() => checkPrepared(verifier, file, prepared, asks), refusal(code), name);
  }
  const forged = Uint8Array.from(right.block1);
  forged[forged.length - 1]! ^= 1;
  const bad = { ...right, block1: forged, releaseLeaf: leafHash(sha256, forged) };
  t.throws(() => checkPrepared(verifier, image, bad, { ...expected, root: root(signer) }), refusal('BAD_SIGNATURE'));
  t.notThrows(() => checkPrepared(verifier, image, right, { ...expected, root: root(signer) }));
});

test('an upload that is not of this server, or of bytes it does not hold, is not passed on', async (t) => {
  const { collection, upload, folder, size } = await setUp(t);
  const before = await size();
  const image = smallImage('one', '1');
  const prepared = await collection.prepare(image, order('1'));
  const forged = Uint8Array.from(prepared.block1);
  forged[forged.length - 1]! ^= 1;
  const bad = { ...prepared, block1: forged, releaseLeaf: leafHash(sha256, forged) };
  await t.throwsAsync(upload(image, order('1'), bad), refusal('BAD_SIGNATURE'));
  const approval = await tx(newSigner(), { action: 'approve', object: prepared.releaseLeaf });
  await t.throwsAsync(collection.submitUpload(approval), refusal('BAD_STATEMENT'));
  await rm(join(folder, 'payloads'), { recursive: true });
  await t.throwsAsync(upload(image, order('1'), prepared), refusal('NOT_FOUND'));
  t.is(await size(), before);
});

test('of two releases prepared side by side one is confirmed, the other has to be prepared again', async (t) => {
  const { collection, upload, approve } = await setUp(t);
  const [a, b, c] = [smallImage('a', 'a'), smallImage('b', 'b'), smallImage('c', 'c')];
  const [first, second, third] = [
    await collection.prepare(a, order('a')),
    await collection.prepare(b, order('b')),
    await collection.prepare(c, order('c')),
  ];
  await upload(a, order('a'), first);
  await upload(b, order('b'), second);
  await approve(first.releaseLeaf);
  await approve(second.releaseLeaf);
  t.is((await collection.confirm(first.releaseLeaf)).state, 'confirmed');
  t.is((await collection.confirm(first.releaseLeaf)).state, 'confirmed', 'repeating it is harmless');
  await t.throwsAsync(collection.confirm(second.releaseLeaf), refusal('CONFLICT', /prepare version b again/));
  await t.throwsAsync(upload(c, order('c'), third), refusal('CONFLICT', /prepare the release again/));
});

test('a release is confirmed by itself as soon as it is approved, over restarts and a ledger that is away', async (t) => {
  const { world, collection, options, upload, approve, product } = await setUp(t);
  const image = smallImage('one', '1');
  const prepared = await collection.prepare(image, order('1'));
  await upload(image, order('1'), prepared);
  await t.throwsAsync(collection.confirm(prepared.releaseLeaf), refusal('NOT_APPROVED'));
  await approve(prepared.releaseLeaf); // while nobody follows
  const { alice, bob } = world.people;

  const heard = await new Promise<string[]>((resolve) => {
    const heardSoFar: string[] = [];
    const restarted = createCollection({
      ...options,
      events: {
        confirmed: async (release) => {
          heardSoFar.push(`confirmed ${release.version}`);
          if (release.version === '1') {
            // An approval, too, and of no release: nothing that could not be confirmed.
            await world.ledger.submit(await enrolment('carol', ['engineer'], newSigner(), alice!));
            await act(world, bob!, 'approve', personObject('carol'));
            const next = smallImage('two', '2');
            const two = await restarted.prepare(next, order('2'));
            await upload(next, order('2'), two);
            await approve(two.releaseLeaf);
          } else resolve(heardSoFar);
        },
        failed: (_leaf, error) => void heardSoFar.push(`failed ${codeOf(error)}`),
      },
    });
    t.teardown(() => restarted.close());
    restarted.start();
  });
  t.deepEqual(heard, ['confirmed 1', 'confirmed 2']);
  t.is((await product()).sequence, 2);
});
