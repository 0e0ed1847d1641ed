/** Which releases a new one gets deltas from: those that devices run. */
import { demand } from '@countersign/device-sdk';
import { BRANCHES_MAX } from '@countersign/device-sdk/format';
import type { DeviceView, ReleaseView } from '../ledger/contract/views.ts';

/** One of the branches is the full image, which ends every manifest. */
export const BASES_MAX = BRANCHES_MAX - 1;

/**
 * Chooses the bases, newest first. Every release that a device has reported from the field is one; so is the newest
 * confirmed release, which new devices leave the factory with. While some devices have never reported, nobody knows
 * what they run, and the rest of the places goes to the newest releases.
 *
 * @param wanted version labels that the engineer named instead
 * @returns releases with distinct images, at most {@link BASES_MAX}
 * @throws Refusal NOT_FOUND, BAD_REQUEST for labels
 */
export function planBases(
  releases: readonly ReleaseView[],
  devices: readonly DeviceView[],
  wanted?: readonly string[],
): ReleaseView[] {
  const confirmed = releases.filter((release) => release.state === 'confirmed');
  const newestFirst = distinctImages(confirmed.sort((a, b) => b.sequence - a.sequence));
  if (wanted) return pick(newestFirst, wanted);
  const active = devices.filter((device) => device.state === 'enrolled');
  const running = new Set(active.map((device) => device.slotDigest));
  const silent = running.size === 0 || running.has(null);
  const chosen = new Set([
    ...newestFirst.slice(0, 1),
    ...newestFirst.filter((release) => running.has(release.imageDigest)),
    ...(silent ? newestFirst : []),
  ]);
  return [...chosen].slice(0, BASES_MAX).sort((a, b) => b.sequence - a.sequence);
}

function pick(newestFirst: readonly ReleaseView[], wanted: readonly string[]): ReleaseView[] {
  demand(wanted.length <= BASES_MAX, 'BAD_REQUEST', `${wanted.length} bases, at most ${BASES_MAX}`);
  const chosen = wanted.map((version) => {
    const found = newestFirst.find((release) => release.version === version);
    demand(found, 'NOT_FOUND', `no confirmed release has the version ${version.slice(0, 64)}`);
    return found;
  });
  return [...new Set(chosen)].sort((a, b) => b.sequence - a.sequence);
}

/** Two releases may carry the same bytes (a downgrade does): a device chooses by the digest, so one base serves both. */
function distinctImages(newestFirst: readonly ReleaseView[]): ReleaseView[] {
  const seen = new Set<string>();
  return newestFirst.filter(({ imageDigest }) => !seen.has(imageDigest) && seen.add(imageDigest));
}
