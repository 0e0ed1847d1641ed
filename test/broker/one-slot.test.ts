/** Products whose devices have one slot: on the ledger, in the encoder's orders, on the trial bench, and what is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BENCH, type TrialJob } from '@countersign/broker/collection/branch';
import { signUpload } from '@countersign/broker/collection/check-prepared';
import { createCollection } from '@countersign/broker/collection/collection';
import { makeBranch } from '@countersign/broker/collection/make';
import type { ReleaseOrder } from '@countersign/broker/collection/order';
import { tryBranch } from '@countersign/broker/collection/trial/trial';
import { objectDigest, type Product, productArgs, readProduct } from '@countersign/broker/ledger/contract/args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import type { ProductView } from '@countersign/broker/ledger/contract/views';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { Refusal } from '@countersign/device-sdk';
import { readWholeHeader } from '@countersign/device-sdk/delta';
import {
  encodeManifest,
  FRAME_BYTES,
  framesBytes,
  hex,
  type MemoryClass,
  makeFrames,
  readManifest,
  type Value,
} from '@countersign/device-sdk/format';
import { readSample, vendorDomain } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { act, newWorld, ORIGIN, PRODUCT, sha256, verifier } from './ledger-world.ts';

const base = readSample('pump-monitor', '3.0.0');
const image = readSample('pump-monitor', '3.1.0');
const oneSlot = { pageBytes: 4096, stagingBytes: 16_384 };

test('a product with one slot is read as it was written, and older records stay as they are', (t) => {
  for (const product of [PRODUCT, { ...PRODUCT, cpu: 'thumb' as const }]) {
    t.deepEqual(readProduct(productArgs(product)), product);
    t.deepEqual(readProduct(productArgs({ ...product, oneSlot })), { ...product, oneSlot });
  }
  t.is((productArgs(PRODUCT) as unknown[]).length, 6);
  t.is((productArgs({ ...PRODUCT, cpu: 'thumb' }) as unknown[]).length, 7);
});

test('a record of one slot that no device could live by is refused', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const object = objectDigest(sha256, 'product', classId(vendorId(PRODUCT.vendorDomain), PRODUCT.name));
  const six = productArgs(PRODUCT) as Value[];
  for (const [code, args] of [
    ['BAD_STATEMENT', productArgs({ ...PRODUCT, oneSlot: { ...oneSlot, pageBytes: 5000 } })],
    ['BAD_STATEMENT', productArgs({ ...PRODUCT, oneSlot: { ...oneSlot, pageBytes: 2048 } })],
    ['BAD_STATEMENT', productArgs({ ...PRODUCT, oneSlot: { ...oneSlot, stagingBytes: 0 } })],
    ['MALFORMED', productArgs({ ...PRODUCT, oneSlot: { ...oneSlot, pageBytes: 2 ** 29 } })],
    ['MALFORMED', [...six, null, [4096]]],
    ['MALFORMED', [...six, null]],
    ['MALFORMED', [...six, null, null]],
    ['MALFORMED', [...six, null, [4096, 16_384], 1]],
  ] as [string, Value][]) {
    await t.throwsAsync(act(world, world.people.alice!, 'product', object, args), { instanceOf: Refusal, code });
  }
});

function jobOf(memoryClass: MemoryClass, from: Uint8Array | undefined, part: Partial<TrialJob> = {}): TrialJob {
  const { pageBytes } = part.oneSlot ?? oneSlot;
  const job = { kind: 'make', image, memoryClass, imageBase: 0, cpu: 'thumb', pageBytes } as const;
  const branchOf = (start?: Uint8Array) => {
    const { container, workspaceBytes } = makeBranch({ ...job, ...(start && { base: start }) });
    const { payload, frames } = makeFrames(sha256, container, FRAME_BYTES[memoryClass]);
    const id = start && { base: { digest: sha256(start), bytes: start.length } };
    return { branch: { ...id, payload, memoryClass, workspaceBytes }, frames };
  };
  const full = branchOf();
  const delta = from && branchOf(from);
  const { frames, branch } = delta ?? full;
  const { payload } = branch;
  const manifest = encodeManifest({
    sequence: 2,
    vendorId: new Uint8Array(16),
    classId: new Uint8Array(16),
    image: { digest: sha256(image), bytes: image.length },
    version: '3.1.0',
    policy: 7,
    branches: [...(delta ? [delta.branch] : []), full.branch],
  });
  return {
    ...{ kind: 'trial', image, running: from ?? base, baseName: '3.0.0', manifest, payload, frames, memoryClass },
    ...{ product: 'pump-monitor', version: '3.1.0', slotBytes: 65_536, oneSlot, bench: BENCH },
    ...part,
  };
}

for (const memoryClass of ['S', 'M', 'L'] as const) {
  test(`a delta stands its trial on boards with one slot, in class ${memoryClass}`, async (t) => {
    const job = jobOf(memoryClass, base);
    t.not(readWholeHeader(job.frames[0]!).inPlace, undefined);
    const summary = await tryBranch(job);
    t.like(summary, { cuts: 6, hardware: ['A', 'B'] });
    t.log(`${framesBytes(job.payload)} bytes, ${summary.operations} operations`);
  });
}

test('a full image stands it where the staging area holds it, and is refused by the device where not', async (t) => {
  const wide = jobOf('M', undefined, { oneSlot: { pageBytes: 4096, stagingBytes: 65_536 } });
  t.is((await tryBranch(wide)).cuts, 6);
  const narrow = await tryBranch(jobOf('M', undefined));
  t.is(narrow.cuts, 0, 'nothing is written, so there is nothing to cut');
});

test('what a board with one slot cannot take is TRIAL_RIG', async (t) => {
  const two = makeBranch({ kind: 'make', image, base, memoryClass: 'M', imageBase: 0, cpu: 'thumb' });
  const forTwo = makeFrames(sha256, two.container, FRAME_BYTES.M);
  const job = jobOf('M', base);
  const manifest = { ...readManifest(job.manifest) };
  const [branch, full] = manifest.branches;
  const swapped = encodeManifest({ ...manifest, branches: [{ ...branch!, payload: forTwo.payload }, full!] });
  const cases: [TrialJob, RegExp][] = [
    [{ ...job, manifest: swapped, ...forTwo }, /UNSUPPORTED/],
    [{ ...jobOf('M', base, { oneSlot: { ...oneSlot, pageBytes: 16_384 } }), oneSlot }, /NO_STAGING/],
  ];
  for (const [bad, message] of cases) {
    await t.throwsAsync(tryBranch(bad), { instanceOf: Refusal, code: 'TRIAL_RIG', message });
  }
});

async function collectionOf(t: ExecutionContext, stagingBytes: number) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-one-slot-'));
  const world = await newWorld();
  const { ledger, people, keys } = world;
  const product: Product = {
    ...{ vendorDomain, name: 'pump-monitor', memoryClass: 'M', frameBytes: 512, slotBytes: 65_536, imageBase: 0 },
    ...{ cpu: 'thumb', oneSlot: { pageBytes: 4096, stagingBytes } },
  };
  const id = classId(vendorId(vendorDomain), product.name);
  await act(world, people.alice!, 'product', objectDigest(sha256, 'product', id), productArgs(product));
  const view = (await ledger.evaluate('getProduct', hex(id))) as ProductView;
  t.deepEqual(view.oneSlot, product.oneSlot);
  const blobs = fileBlobStore(folder, sha256);
  const signing = { signer: keys.collection, service: keys.service, origin: ORIGIN };
  const collection = createCollection({ ledger, blobs, verifier, ...signing, bench: { cuts: 3 } });
  t.teardown(async () => {
    await collection.close();
    await world.end();
    await rm(folder, { recursive: true, force: true });
  });
  const policy = { mandatory: true, log: true, reboot: true, downgrade: false };
  const order = (version: string): ReleaseOrder => ({
    ...{ product: 'pump-monitor', version, policy, fileName: `${version}.bin` },
  });
  const release = async (bytes: Uint8Array, version: string) => {
    const asked = { vendorDomain, ...order(version) };
    const prepared = await collection.prepare(bytes, order(version));
    await collection.submitUpload(await signUpload(verifier, people.alice!, ORIGIN, bytes, prepared, asked));
    await act(world, people.bob!, 'approve', prepared.releaseLeaf);
    await collection.confirm(prepared.releaseLeaf);
    return prepared;
  };
  return { collection, blobs, order, release };
}

test('releases of a product with one slot: the first for the factory, the next in place', async (t) => {
  const { blobs, release } = await collectionOf(t, 16_384);
  const first = await release(base, '3.0.0');
  t.deepEqual(
    first.branches.map(({ base: from, trial }) => [from, trial.cuts]),
    [[null, 0]],
  );
  const second = await release(image, '3.1.0');
  t.deepEqual(
    second.branches.map(({ base: from, trial }) => [from, trial.cuts]),
    [
      ['3.0.0', 3],
      [null, 0],
    ],
  );
  const [branch] = readManifest(second.manifest).branches;
  const [frame] = await blobs.frames(branch!.payload);
  const header = readWholeHeader(frame!);
  t.is(2 ** header.checkpointBits, 4096);
  t.not(header.inPlace, undefined);
});

test('a release that no device in the field could stage is not made', async (t) => {
  const { collection, order, release } = await collectionOf(t, 600);
  await release(base, '3.0.0');
  const message = /bytes, a staging area of pump-monitor 600/;
  await t.throwsAsync(collection.prepare(image, order('3.1.0')), { instanceOf: Refusal, code: 'NO_STAGING', message });
});
