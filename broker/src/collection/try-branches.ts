/** The trial of everything that is about to be signed, on the true device code. */
import { codeOf } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import type { ProductView, ReleaseView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { BenchOptions } from './branch.ts';
import type { ComponentOrder } from './components.ts';
import type { BranchRunner } from './jobs.ts';
import { all, type Candidate } from './make-branches.ts';
import type { ReleaseOrder } from './order.ts';
import type { BranchSummary, TrialSummary } from './prepared.ts';

/** A component with its branches. */
export interface Planned extends ComponentOrder {
  candidates: Candidate[];
}

/** A release as it will be signed. */
export interface Draft {
  order: ReleaseOrder;
  product: ProductView;
  manifest: Uint8Array;
  /** The application first. */
  planned: readonly Planned[];
  /** All of the product. */
  releases: readonly ReleaseView[];
  /** SHA-256 of the application's image, in hex. */
  digest: string;
}

export interface TryParts {
  runner: BranchRunner;
  bench: BenchOptions;
  blobs: BlobStore;
}

/**
 * The very manifest that will be signed, on the true device code: once from each release that a branch is from, with all
 * components of that release on the board, and once from what no branch is from. @throws Refusal TRIAL_RIG
 */
export async function tryBranches(parts: TryParts, draft: Draft): Promise<BranchSummary[]> {
  const trials = new Map<string, Promise<TrialSummary>>();
  const attempt = async (one: Planned, candidate: Candidate): Promise<BranchSummary> => {
    const start = candidate.base?.release.releaseLeaf ?? 'none';
    const known = trials.get(start) ?? tryFrom(parts, draft, one, candidate);
    trials.set(start, known);
    const trial = await known;
    const { container, path, workspaceBytes, predictor, coder, seconds } = candidate.made;
    const percent = Math.round((1000 * container.length) / one.image.length) / 10;
    const base = candidate.base?.release.version ?? null;
    const bytes = container.length;
    const component = one.id === undefined ? {} : { component: one.id };
    return { ...component, base, bytes, percent, workspaceBytes, path, predictor, coder, seconds, trial };
  };
  return all(draft.planned.flatMap((one) => one.candidates.map((candidate) => attempt(one, candidate))));
}

async function tryFrom(
  { runner, bench, blobs }: TryParts,
  { order, product, manifest, planned, releases, digest }: Draft,
  owner: Planned,
  { base, payload, frames }: Candidate,
): Promise<TrialSummary> {
  const release = base && releases.find(({ releaseLeaf }) => releaseLeaf === base.release.releaseLeaf);
  const running = async (one: Planned) =>
    one === owner ? (base?.image ?? FOREIGN_IMAGE) : imageOf(blobs, release, one.id);
  const [own, ...rest] = planned;
  // An application that a release leaves alone keeps the label under which it came.
  const known = releases.some(({ state, imageDigest }) => state === 'confirmed' && imageDigest === digest);
  const stays = rest.length > 0 && known;
  const components = await Promise.all(
    rest.map(async (one) => ({ id: one.id!, image: one.image, running: await running(one), slotBytes: one.slotBytes })),
  );
  const others = planned.flatMap(({ candidates }) => candidates.filter((item) => item.payload !== payload));
  return runner.try({
    kind: 'trial',
    image: own!.image,
    running: await running(own!),
    ...(components.length > 0 && {
      components,
      others: others.map((item) => ({ payload: item.payload, frames: item.frames })),
    }),
    baseName: base?.release.version ?? 'no base',
    ...{ manifest, payload, frames, bench },
    product: product.name,
    version: order.policy.downgrade || stays ? undefined : order.version,
    memoryClass: product.memoryClass,
    slotBytes: product.slotBytes,
    oneSlot: product.oneSlot,
  });
}

/** What a release has of a component; where that is lost, or there is none, what no delta fits. */
async function imageOf(
  blobs: BlobStore,
  release: ReleaseView | undefined,
  id: string | undefined,
): Promise<Uint8Array> {
  const held = id === undefined ? release : release?.components?.find((item) => item.id === id);
  if (!held) return FOREIGN_IMAGE;
  try {
    return await blobs.blob(unhex(held.imageDigest)!);
  } catch (error) {
    if (codeOf(error) !== 'NOT_FOUND' && codeOf(error) !== 'BAD_STORE') throw error;
    return FOREIGN_IMAGE;
  }
}

/** What a board runs that no delta fits: the full image has to do. */
const FOREIGN_IMAGE = new Uint8Array(64).fill(0x5a);
