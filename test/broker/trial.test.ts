import { BENCH, type TrialJob } from '@countersign/broker/collection/branch';
import { makeBranch } from '@countersign/broker/collection/make';
import { tryBranch } from '@countersign/broker/collection/trial/trial';
import { Refusal } from '@countersign/device-sdk';
import {
  type Branch,
  concat,
  encodeManifest,
  FRAME_BYTES,
  type Manifest,
  MEMORY_CLASSES,
  type MemoryClass,
  makeFrames,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { encodeDescriptor, Prng } from '@countersign/device-sdk/rig';
import test from 'ava';

const { sha256 } = nodeVerifier();
const random = new Prng('trial tests');
const base = concat(random.bytes(9_000), encodeDescriptor({ product: 'node', version: '1', failsOn: [] }));
const image = concat(base.subarray(0, 4_000), random.bytes(300), base.subarray(4_000));

interface Change {
  /** What lies in the branch's frames, instead of the delta that leads to the image. */
  container?: Uint8Array;
  branch?: Partial<Branch>;
  manifest?: Partial<Manifest>;
  job?: Partial<TrialJob>;
}

/** A trial of the delta branch of a manifest that has also the full image. */
function jobOf(memoryClass: MemoryClass, change: Change = {}): TrialJob {
  const make = (from?: Uint8Array) =>
    makeBranch({ kind: 'make', image, memoryClass, imageBase: 0, ...(from && { base: from }) });
  const full = make();
  const delta = make(base);
  const framed = makeFrames(sha256, change.container ?? delta.container, FRAME_BYTES[memoryClass]);
  const branches: Branch[] = [
    {
      base: { digest: sha256(base), bytes: base.length },
      payload: framed.payload,
      memoryClass,
      workspaceBytes: delta.workspaceBytes,
      ...change.branch,
    },
    {
      payload: makeFrames(sha256, full.container, FRAME_BYTES[memoryClass]).payload,
      memoryClass,
      workspaceBytes: full.workspaceBytes,
    },
  ];
  const manifest = encodeManifest({
    sequence: 2,
    vendorId: new Uint8Array(16),
    classId: new Uint8Array(16),
    image: { digest: sha256(image), bytes: image.length },
    version: '1',
    policy: 7,
    branches,
    ...change.manifest,
  });
  return {
    kind: 'trial',
    image,
    running: base,
    baseName: '0',
    manifest,
    payload: framed.payload,
    frames: framed.frames,
    product: 'node',
    version: '1',
    memoryClass,
    slotBytes: 16_384,
    bench: BENCH,
    ...change.job,
  };
}

for (const memoryClass of MEMORY_CLASSES) {
  test(`a good delta stands its trial in class ${memoryClass}, with a power cut in each phase twice`, async (t) => {
    const summary = await tryBranch(jobOf(memoryClass));
    t.like(summary, { cuts: 6, hardware: ['A', 'B'] });
    t.true(summary.operations > 10);
  });
}

test('a delta stands its trial on flash of other shapes', async (t) => {
  for (const geometry of ['tiny', 'flashWord', 'stm32l4'] as const) {
    const bench = { ...BENCH, geometry, cuts: 3 };
    t.is((await tryBranch(jobOf('S', { job: { bench } }))).cuts, 3, geometry);
  }
});

test('whatever is wrong with a branch, its trial says TRIAL_RIG and what the device said', async (t) => {
  const otherImage = makeBranch({ kind: 'make', base, image: base, memoryClass: 'M', imageBase: 0 });
  const { container } = makeBranch({ kind: 'make', base, image, memoryClass: 'M', imageBase: 0 });
  const spoilt = container.map((byte, i) => (i === container.length - 200 ? byte ^ 0x10 : byte));
  const cases: [string, TrialJob, RegExp][] = [
    [
      'a delta that leads to another image',
      jobOf('M', { container: otherImage.container }),
      /BAD_DELTA|RESULT_MISMATCH/,
    ],
    ['a delta with a flipped bit', jobOf('M', { container: spoilt }), /BAD_DELTA|RESULT_MISMATCH/],
    ['a delta cut short', jobOf('M', { container: container.subarray(0, -50) }), /BAD_DELTA|RESULT_MISMATCH/],
    ['random bytes for a delta', jobOf('M', { container: random.bytes(600) }), /BAD_DELTA|UNSUPPORTED/],
    ['a wrong result digest', jobOf('M', { manifest: { image: { digest: sha256(base), bytes: image.length } } }), /./],
    ['a wrong result size', jobOf('M', { manifest: { image: { digest: sha256(image), bytes: 9_000 } } }), /./],
    ['a workspace over the class', jobOf('M', { branch: { workspaceBytes: 9_000 } }), /NO_MEMORY|NOT_FOUND/],
    [
      'a base that is another',
      jobOf('M', { branch: { base: { digest: sha256(image), bytes: base.length } } }),
      /NOT_FOUND/,
    ],
    ['a slot that is too small', jobOf('M', { job: { slotBytes: 8_192 } }), /NO_SPACE|region/],
    ['frames that are missing', jobOf('M', { job: { frames: [] } }), /LINK_LOST|no frame/],
    ['a hardware revision that it fails on', failing(), /self-test fails on hardware revision B/],
  ];
  for (const [name, job, message] of cases) {
    await t.throwsAsync(tryBranch(job), { instanceOf: Refusal, code: 'TRIAL_RIG', message }, name);
  }
});

/** The same image with a descriptor that names revision B. */
function failing(): TrialJob {
  const job = jobOf('M');
  const bad = concat(image.subarray(0, 5_000), encodeDescriptor({ product: 'node', version: '1', failsOn: ['B'] }));
  const made = makeBranch({ kind: 'make', image: bad, memoryClass: 'M', imageBase: 0 });
  const { payload, frames } = makeFrames(sha256, made.container, 512);
  const manifest = encodeManifest({
    sequence: 2,
    vendorId: new Uint8Array(16),
    classId: new Uint8Array(16),
    image: { digest: sha256(bad), bytes: bad.length },
    version: '1',
    policy: 7,
    branches: [{ payload, memoryClass: 'M', workspaceBytes: made.workspaceBytes }],
  });
  return { ...job, image: bad, manifest, payload, frames };
}
