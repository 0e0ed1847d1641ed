/** From an image to a manifest that the collection server has signed: everything before a person signs. */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  APPLICATION,
  type Branch,
  type Component,
  encodeManifest,
  hex,
  leafHash,
  MANIFEST_BYTES_MAX,
  type Manifest,
  type MemoryClass,
  type Signer,
  signBlock1,
  unhex,
} from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { DeviceView, ProductView, ReleaseView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import { cidOf } from '../store/cid.ts';
import type { BenchOptions } from './branch.ts';
import { basesMaxOf, type ComponentOrder, componentsOf, devicesOf, type Images, releasesOf } from './components.ts';
import type { BranchRunner } from './jobs.ts';
import { type Candidate, type Dropped, loadBases, makeBranches } from './make-branches.ts';
import { checkOrder, policyBits, type ReleaseOrder } from './order.ts';
import { planBases } from './plan.ts';
import type { Prepared } from './prepared.ts';
import { findProduct } from './product.ts';
import { type Planned, tryBranches } from './try-branches.ts';

export interface PrepareParts {
  ledger: LedgerClient;
  blobs: BlobStore;
  verifier: Verifier;
  /** The collection key: it signs block 1 and nothing else. */
  signer: Signer;
  runner: BranchRunner;
  bench: BenchOptions;
}

/**
 * Plans, makes and tries the branches, stores image and frames, and signs: in this order, so that nothing is signed
 * that did not stand its trial and nothing is signed whose bytes could still be lost.
 * @throws Refusal NOT_FOUND, BAD_REQUEST, NO_SPACE, EXISTS, TRIAL_RIG, BUSY, BAD_STORE
 */
export async function prepareRelease(
  parts: PrepareParts,
  image: Uint8Array,
  order: ReleaseOrder,
  further: Images = {},
): Promise<Prepared> {
  const product = await findProduct(parts.ledger, order.product);
  checkOrder(image, order, product);
  const orders = componentsOf(product, image, further);
  const releases = (await parts.ledger.evaluate('listReleases', product.classId)) as ReleaseView[];
  const digests = orders.map((one) => hex(parts.verifier.sha256(one.image)));
  checkNotPublished(releases, product, digests, order);
  const devices = (await parts.ledger.evaluate('listDevices', product.classId)) as DeviceView[];
  const dropped: Dropped = [];
  const planned: Planned[] = [];
  for (const one of orders)
    planned.push(await plan(parts, product, order, one, orders.length, releases, devices, dropped));
  const [own, ...rest] = planned.map((one) => componentOf(parts, one, product.memoryClass));
  checkPayloads(planned);
  const manifest = encodeManifest(manifestOf(product, order, own!, rest));
  demand(manifest.length <= MANIFEST_BYTES_MAX, 'TOO_LARGE', `the manifest has ${manifest.length} bytes`);
  const summaries = await tryBranches(parts, { order, product, manifest, planned, releases, digest: digests[0]! });
  for (const { image: held, candidates } of planned) {
    for (const { payload, frames } of candidates) await parts.blobs.putFrames(payload, frames);
    await parts.blobs.put(held);
  }
  const block1 = await signBlock1(parts.verifier.sha256, manifest, unhex(product.head)!, parts.signer);
  return {
    releaseLeaf: leafHash(parts.verifier.sha256, block1),
    block1,
    manifest,
    contentId: cidOf(own!.digest),
    fileName: order.fileName,
    sequence: product.sequence + 1,
    branches: summaries,
    dropped,
  };
}

/** One component's bases and branches, from what devices run of it. */
async function plan(
  parts: PrepareParts,
  product: ProductView,
  order: ReleaseOrder,
  one: ComponentOrder,
  components: number,
  all: readonly ReleaseView[],
  devices: readonly DeviceView[],
  dropped: Dropped,
): Promise<Planned> {
  const { id, image } = one;
  const digest = hex(parts.verifier.sha256(image));
  const chosen = planBases(releasesOf(all, id), devicesOf(devices, id), order.bases, basesMaxOf(components));
  // A component that stays is copied by the device: no delta to itself.
  const wanted = components > 1 ? chosen.filter(({ imageDigest }) => imageDigest !== digest) : chosen;
  const loaded = await loadBases(parts.blobs, wanted);
  // Where the application lies says nothing about another component.
  const shape = id === undefined ? product : { ...product, imageBase: 0, cpu: undefined };
  const candidates = await makeBranches(parts, image, shape, loaded.bases, loaded.dropped);
  dropped.push(...loaded.dropped.map((item) => (id === undefined ? item : { component: id, ...item })));
  return { ...one, candidates };
}

/** A device keeps its progress by the name of the payload: it may not be that of two components. */
function checkPayloads(planned: readonly Planned[]): void {
  const heads = planned.map(({ candidates }) => new Set(candidates.map(({ payload }) => hex(payload.chainHead))));
  const twice = heads.some((own, i) => heads.slice(0, i).some((other) => [...own].some((head) => other.has(head))));
  demand(!twice, 'BAD_REQUEST', 'two components have the same image');
}

/** A label names one image of each component, and the newest release is not published twice. */
function checkNotPublished(releases: readonly ReleaseView[], product: ProductView, digests: string[], o: ReleaseOrder) {
  const confirmed = releases.filter((release) => release.state === 'confirmed');
  const newest = confirmed.find((release) => release.releaseLeaf === product.head);
  const isSame = (release: ReleaseView) =>
    [release, ...(release.components ?? [])].every(({ imageDigest }, i) => imageDigest === digests[i]);
  const same = newest !== undefined && isSame(newest) && newest.version === o.version;
  const again = same && policyBits(newest.policy) === policyBits(o.policy);
  demand(!again, 'EXISTS', `this image is the newest release of ${product.name} already`);
  const other = confirmed.find((release) => release.version === o.version && !isSame(release));
  demand(!other, 'EXISTS', `version ${o.version} of ${product.name} names another image already`);
}

function branchOf({ base, made, payload }: Candidate, memoryClass: MemoryClass): Branch {
  const { workspaceBytes } = made;
  if (!base) return { payload, memoryClass, workspaceBytes };
  const digest = unhex(base.release.imageDigest)!;
  return { base: { digest, bytes: base.image.length }, payload, memoryClass, workspaceBytes };
}

function componentOf(
  { verifier }: PrepareParts,
  { id, image, candidates }: Planned,
  memoryClass: MemoryClass,
): Component {
  const branches = candidates.map((candidate) => branchOf(candidate, memoryClass));
  return { id: id ?? APPLICATION, digest: verifier.sha256(image), bytes: image.length, branches };
}

function manifestOf(product: ProductView, order: ReleaseOrder, own: Component, further: Component[]): Manifest {
  const { digest, bytes, branches } = own;
  return {
    sequence: product.sequence + 1,
    vendorId: unhex(product.vendorId)!,
    classId: unhex(product.classId)!,
    image: { digest, bytes },
    version: order.version,
    policy: policyBits(order.policy),
    branches,
    ...(further.length > 0 && { components: further }),
  };
}
