/** From an image to a manifest that the collection server has signed: everything before a person signs. */
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import {
  type Branch,
  encodeManifest,
  framesBytes,
  hex,
  leafHash,
  MANIFEST_BYTES_MAX,
  type Manifest,
  type MemoryClass,
  makeFrames,
  type Payload,
  type Signer,
  signBlock1,
  unhex,
} from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { DeviceView, ProductView, ReleaseView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import { cidOf } from '../store/cid.ts';
import type { BenchOptions, Made } from './branch.ts';
import type { BranchRunner } from './jobs.ts';
import { checkOrder, policyBits, type ReleaseOrder } from './order.ts';
import { planBases } from './plan.ts';
import type { BranchSummary, Prepared } from './prepared.ts';
import { findProduct } from './product.ts';

export interface PrepareParts {
  ledger: LedgerClient;
  blobs: BlobStore;
  verifier: Verifier;
  /** The collection key: it signs block 1 and nothing else. */
  signer: Signer;
  runner: BranchRunner;
  bench: BenchOptions;
}

/** A release and the image it leads from. */
interface Base {
  release: ReleaseView;
  image: Uint8Array;
}

/** A branch before its trial. */
interface Candidate {
  /** Undefined for the full image. */
  base: Base | undefined;
  made: Made;
  payload: Payload;
  frames: Uint8Array[];
}

type Dropped = Prepared['dropped'];

/**
 * Plans, makes and tries the branches, stores image and frames, and signs: in this order, so that nothing is signed
 * that did not stand its trial and nothing is signed whose bytes could still be lost.
 * @throws Refusal NOT_FOUND, BAD_REQUEST, NO_SPACE, EXISTS, TRIAL_RIG, BUSY, BAD_STORE
 */
export async function prepareRelease(parts: PrepareParts, image: Uint8Array, order: ReleaseOrder): Promise<Prepared> {
  const product = await findProduct(parts.ledger, order.product);
  checkOrder(image, order, product);
  const releases = (await parts.ledger.evaluate('listReleases', product.classId)) as ReleaseView[];
  checkNotPublished(releases, product, hex(parts.verifier.sha256(image)), order);
  const devices = (await parts.ledger.evaluate('listDevices', product.classId)) as DeviceView[];
  const { bases, dropped } = await loadBases(parts.blobs, planBases(releases, devices, order.bases));
  const candidates = await makeBranches(parts, image, product, bases, dropped);
  const id = { digest: parts.verifier.sha256(image), bytes: image.length };
  const branches = candidates.map((candidate) => branchOf(candidate, product.memoryClass));
  const manifest = encodeManifest(manifestOf(product, order, id, branches));
  demand(manifest.length <= MANIFEST_BYTES_MAX, 'TOO_LARGE', `the manifest has ${manifest.length} bytes`);
  const summaries = await tryBranches(parts, image, order, product, manifest, candidates);
  for (const { payload, frames } of candidates) await parts.blobs.putFrames(payload, frames);
  await parts.blobs.put(image);
  const block1 = await signBlock1(parts.verifier.sha256, manifest, unhex(product.head)!, parts.signer);
  return {
    releaseLeaf: leafHash(parts.verifier.sha256, block1),
    block1,
    manifest,
    contentId: cidOf(id.digest),
    fileName: order.fileName,
    sequence: product.sequence + 1,
    branches: summaries,
    dropped,
  };
}

/** A label names one image, and the newest release is not published twice. */
function checkNotPublished(releases: readonly ReleaseView[], product: ProductView, digest: string, o: ReleaseOrder) {
  const confirmed = releases.filter((release) => release.state === 'confirmed');
  const newest = confirmed.find((release) => release.releaseLeaf === product.head);
  const same = newest?.imageDigest === digest && newest.version === o.version;
  const again = same && policyBits(newest.policy) === policyBits(o.policy);
  demand(!again, 'EXISTS', `this image is the newest release of ${product.name} already`);
  const other = confirmed.find((release) => release.version === o.version && release.imageDigest !== digest);
  demand(!other, 'EXISTS', `version ${o.version} of ${product.name} names another image already`);
}

async function loadBases(blobs: BlobStore, planned: ReleaseView[]): Promise<{ bases: Base[]; dropped: Dropped }> {
  const bases: Base[] = [];
  const dropped: Dropped = [];
  for (const release of planned) {
    try {
      bases.push({ release, image: await blobs.blob(unhex(release.imageDigest)!) });
    } catch (error) {
      const code = codeOf(error);
      if (code !== 'NOT_FOUND' && code !== 'BAD_STORE') throw error;
      dropped.push({ base: release.version, reason: `its image cannot be had from the store (${code})` });
    }
  }
  return { bases, dropped };
}

/**
 * The cheapest download from each base: a delta of the two images, one composed through the newest release between
 * them, or, where neither is smaller, no branch: the full image serves that base. The last branch has no base.
 */
async function makeBranches(
  { runner, verifier }: PrepareParts,
  image: Uint8Array,
  product: ProductView,
  bases: readonly Base[],
  dropped: Dropped,
): Promise<Candidate[]> {
  const { memoryClass, imageBase, cpu, oneSlot } = product;
  const pageBytes = oneSlot?.pageBytes;
  const make = async (base: Base | undefined): Promise<Candidate> => {
    const between = base && base !== bases[0] ? bases[0]!.image : undefined;
    const images = { image, ...(base && { base: base.image }), ...(between && { through: between }) };
    const made = await runner.make({ kind: 'make', ...images, memoryClass, imageBase, cpu, pageBytes });
    const framed = makeFrames(verifier.sha256, made.container, product.frameBytes);
    return { base, made, ...framed };
  };
  const full = await make(undefined);
  const deltas = await all(bases.map(make));
  const smaller = deltas.filter(({ base, made }) => {
    const worth = made.container.length < full.made.container.length;
    if (!worth) dropped.push({ base: base!.release.version, reason: 'no delta is smaller than the compressed image' });
    return worth;
  });
  return [...staged(smaller, full, product, dropped), full];
}

/**
 * Devices with one slot hold a release in their staging area before they write a byte of it. A delta that does not fit is
 * left out. The full image stays even so: the first release has nothing else, and factories write it past the staging.
 * @throws Refusal NO_STAGING where no device in the field could hold any branch
 */
function staged(deltas: Candidate[], full: Candidate, { name, oneSlot }: ProductView, dropped: Dropped): Candidate[] {
  if (!oneSlot) return deltas;
  const { stagingBytes } = oneSlot;
  const fits = ({ payload }: Candidate) => framesBytes(payload) <= stagingBytes;
  const fitting = deltas.filter((candidate) => {
    const { base, payload } = candidate;
    const held = fits(candidate);
    const reason = `its ${framesBytes(payload)} bytes do not fit a staging area of ${stagingBytes}`;
    if (!held) dropped.push({ base: base!.release.version, reason });
    return held;
  });
  const reaches = fitting.length > 0 || fits(full) || dropped.length === 0;
  const least = Math.min(...[...deltas, full].map(({ payload }) => framesBytes(payload)));
  demand(reaches, 'NO_STAGING', `the least branch has ${least} bytes, a staging area of ${name} ${stagingBytes}`);
  return fitting;
}

/** The very manifest that will be signed, branch by branch, on the true device code. @throws Refusal TRIAL_RIG */
async function tryBranches(
  { runner, bench }: PrepareParts,
  image: Uint8Array,
  order: ReleaseOrder,
  product: ProductView,
  manifest: Uint8Array,
  candidates: readonly Candidate[],
): Promise<BranchSummary[]> {
  const attempt = async ({ base, made, payload, frames }: Candidate): Promise<BranchSummary> => {
    const trial = await runner.try({
      kind: 'trial',
      image,
      running: base?.image ?? FOREIGN_IMAGE,
      baseName: base?.release.version ?? 'no base',
      ...{ manifest, payload, frames, bench },
      product: product.name,
      version: order.policy.downgrade ? undefined : order.version,
      memoryClass: product.memoryClass,
      slotBytes: product.slotBytes,
      oneSlot: product.oneSlot,
    });
    const { container, path, workspaceBytes, predictor, coder, seconds } = made;
    const percent = Math.round((1000 * container.length) / image.length) / 10;
    const name = base?.release.version ?? null;
    const bytes = container.length;
    return { base: name, bytes, percent, workspaceBytes, path, predictor, coder, seconds, trial };
  };
  return all(candidates.map(attempt));
}

/** What a board runs that no delta fits: the full image has to do. */
const FOREIGN_IMAGE = new Uint8Array(64).fill(0x5a);

/** Every job is awaited even when one fails, so that no worker goes on behind an answer. */
async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((settled) => {
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  });
}

function branchOf({ base, made, payload }: Candidate, memoryClass: MemoryClass): Branch {
  const { workspaceBytes } = made;
  if (!base) return { payload, memoryClass, workspaceBytes };
  const digest = unhex(base.release.imageDigest)!;
  return { base: { digest, bytes: base.image.length }, payload, memoryClass, workspaceBytes };
}

function manifestOf(product: ProductView, order: ReleaseOrder, image: Manifest['image'], branches: Branch[]): Manifest {
  return {
    sequence: product.sequence + 1,
    vendorId: unhex(product.vendorId)!,
    classId: unhex(product.classId)!,
    image,
    version: order.version,
    policy: policyBits(order.policy),
    branches,
  };
}
