/** A component's branches: the cheapest download from each base, and the full image. */
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import { framesBytes, makeFrames, type Payload, unhex } from '@countersign/device-sdk/format';
import type { ProductView, ReleaseView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { Made } from './branch.ts';
import type { BranchRunner } from './jobs.ts';
import type { Prepared } from './prepared.ts';

/** A release and the image it leads from. */
export interface Base {
  /** As this component sees it: its image is the release's. */
  release: ReleaseView;
  image: Uint8Array;
}

/** A branch before its trial. */
export interface Candidate {
  /** Undefined for the full image. */
  base: Base | undefined;
  made: Made;
  payload: Payload;
  frames: Uint8Array[];
}

export type Dropped = Prepared['dropped'];

export async function loadBases(
  blobs: BlobStore,
  planned: ReleaseView[],
): Promise<{ bases: Base[]; dropped: Dropped }> {
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
export async function makeBranches(
  { runner, verifier }: { runner: BranchRunner; verifier: Verifier },
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

/** Every job is awaited even when one fails, so that no worker goes on behind an answer. */
export async function all<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((settled) => {
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  });
}
