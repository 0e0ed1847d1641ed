/** Is this release for this device, now, and can the device hold it? */
import { demand, Refusal } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { framesBytes } from '../format/frames.ts';
import { ABORTED, OPEN } from '../format/index-entry.ts';
import { isInCohort, type Membership, type Rollout } from '../format/rollout.ts';
import { floorOf, type TrustRoot } from '../format/root.ts';
import {
  allComponents,
  type Branch,
  type ImageId,
  type Manifest,
  MEMORY_CLASSES,
  type ReleaseImage,
} from '../format/suit.ts';
import type { Verifier } from '../ports.ts';
import type { DeviceFacts, Proven, Resources, Running, Step } from './types.ts';

/** @throws Refusal WRONG_VENDOR, WRONG_CLASS, ROLLBACK */
export function checkApplicability(p: Proven, root: TrustRoot, device: DeviceFacts): void {
  const { manifest } = p;
  demand(equal(manifest.vendorId, device.vendorId), 'WRONG_VENDOR', 'the release is for another vendor');
  demand(equal(manifest.classId, device.classId), 'WRONG_CLASS', 'the release is for another class');
  const { running } = device;
  demand(
    manifest.sequence >= running.sequence,
    'ROLLBACK',
    `sequence ${manifest.sequence} is below ${running.sequence}, which runs`,
  );
  const twin = manifest.sequence > running.sequence || isRunning(p, running);
  demand(twin, 'ROLLBACK', `another release with sequence ${manifest.sequence}`);
  const floor = Math.max(device.floor, p.indexFloor, floorOf(root, device.classId));
  demand(manifest.sequence >= floor, 'ROLLBACK', `sequence ${manifest.sequence} is below the floor ${floor}`);
}

export function isRunning(p: Proven, running: Running): boolean {
  return p.manifest.sequence === running.sequence && equal(p.envelope.manifestDigest, running.manifestDigest);
}

/** @throws Refusal STALE, NOT_OPEN, NOT_IN_COHORT */
export function checkRollout(
  verifier: Verifier,
  r: Rollout,
  known: number,
  device: DeviceFacts,
  membership?: Membership,
): void {
  demand(r.rolloutSequence >= known, 'STALE', `rollout ${r.rolloutSequence}, but ${known} has been seen`);
  demand(r.state === OPEN, 'NOT_OPEN', r.state === ABORTED ? 'the rollout is aborted' : 'the rollout is paused');
  checkWindow(r, device.now);
  const inside = isInCohort(verifier.sha256, r, device.deviceId, membership);
  demand(inside, 'NOT_IN_COHORT', 'this device is not in an opened wave');
}

/** A device without a clock leaves the window to the server, which announces only inside it. */
function checkWindow({ window }: Rollout, now: number | undefined): void {
  if (!window || now === undefined) return;
  const inside = now >= window.start && (window.end === null || now <= window.end);
  demand(inside, 'NOT_OPEN', 'outside the rollout window');
}

/**
 * One step for each component: the release's are the device's, neither more nor less, or nothing is begun.
 * @throws Refusal WRONG_COMPONENTS, NO_SPACE, NO_MEMORY, NO_STAGING, FAILED_BEFORE
 */
export function selectSteps(manifest: Manifest, running: ReleaseImage, resources: Resources): Step[] {
  const { components = [] } = manifest;
  const own = resources.components ?? [];
  const same = components.length === own.length && components.every(({ id }, i) => id === own[i]!.id);
  demand(same, 'WRONG_COMPONENTS', 'the release has other components than this device');
  return allComponents(manifest).map(({ id, branches, ...image }, i) => {
    const further = i > 0;
    const before = further ? running.components?.find((item) => item.id === id) : running;
    const { slotBytes } = further ? own[i - 1]! : resources;
    const kept = own.length > 0 && before && sameImage(before, image) && !isFailed(image.digest, resources);
    const branch = kept ? undefined : selectBranch(image, branches, before, { ...resources, slotBytes });
    return { ...(further && { id }), image, running: before, branch };
  });
}

/** SUIT try-each: the first branch whose base check holds and that this device can decode. */
function selectBranch(
  image: ImageId,
  branches: readonly Branch[],
  running: ImageId | undefined,
  resources: Resources,
): Branch {
  demand(
    image.bytes <= resources.slotBytes,
    'NO_SPACE',
    `an image of ${image.bytes} bytes, a slot of ${resources.slotBytes}`,
  );
  const usable = branches.filter(({ base }) => !base || (running && sameImage(base, running)));
  const untried = usable.filter(({ payload }) => !isFailed(payload.chainHead, resources));
  demand(untried.length > 0, 'FAILED_BEFORE', 'every branch for this image has failed twice');
  const decodable = untried.filter((branch) => fits(branch, resources));
  const fitting = decodable.find(({ payload }) => framesBytes(payload) <= (resources.stagingBytes ?? Infinity));
  if (fitting) return fitting;
  demand(decodable.length === 0, 'NO_STAGING', `no branch fits ${resources.stagingBytes} bytes of staging area`);
  const least = Math.min(...untried.map((branch) => branch.workspaceBytes));
  throw new Refusal(
    'NO_MEMORY',
    `at least ${least} bytes of workspace are needed, there are ${resources.workspaceBytes}`,
  );
}

function isFailed(name: Uint8Array, { failedBranches }: Resources): boolean {
  return failedBranches.some((failed) => equal(failed, name));
}

/** What a step is called in the list of failures: by its payload, or by the image that it copies. */
export function nameOf({ image, branch }: Step): Uint8Array {
  return branch?.payload.chainHead ?? image.digest;
}

function fits(branch: Branch, resources: Resources): boolean {
  const known = MEMORY_CLASSES.indexOf(branch.memoryClass) <= MEMORY_CLASSES.indexOf(resources.memoryClass);
  return known && branch.workspaceBytes <= resources.workspaceBytes;
}

export function sameImage(a: ImageId, b: ImageId): boolean {
  return a.bytes === b.bytes && equal(a.digest, b.digest);
}
