/** Which releases a new one gets deltas from: those that devices run. */
import { demand } from '@countersign/device-sdk';
import { BRANCHES_MAX } from '@countersign/device-sdk/format';
import type { DeviceView, ReleaseView } from '../ledger/contract/views.ts';

/** One of the branches is the full image, which ends every manifest. */
export const BASES_MAX = BRANCHES_MAX - 1;

/**
 * Chooses the bases, newest first. Every release that a device has reported from the field is one; so is the newest
 * confirmed release, which new devices leave the factory with. Where there are more than places, those that most
 * devices run get them: the others take the full image, and that way the fewest devices do. While some devices have
 * never reported, nobody knows what they run, and the places that are left go to the newest releases.
 *
 * @param wanted version labels that the engineer named instead
 * @param basesMax fewer where several components share the places
 * @returns releases with distinct images, at most so many
 * @throws Refusal NOT_FOUND, BAD_REQUEST for labels
 */
export function planBases(
  releases: readonly ReleaseView[],
  devices: readonly DeviceView[],
  wanted?: readonly string[],
  basesMax = BASES_MAX,
): ReleaseView[] {
  const confirmed = releases.filter((release) => release.state === 'confirmed');
  const newestFirst = distinctImages(confirmed.sort((a, b) => b.sequence - a.sequence));
  if (wanted) return pick(newestFirst, wanted, basesMax);
  const counts = devicesByImage(devices);
  const silent = counts.size === 0 || counts.has(null);
  const count = (release: ReleaseView) => counts.get(release.imageDigest) ?? 0;
  const running = newestFirst.filter((release) => count(release) > 0).sort((a, b) => count(b) - count(a));
  const chosen = new Set([...newestFirst.slice(0, 1), ...running, ...(silent ? newestFirst : [])]);
  return [...chosen].slice(0, basesMax).sort((a, b) => b.sequence - a.sequence);
}

/** How many enrolled devices run each image; null for those that have not said. */
function devicesByImage(devices: readonly DeviceView[]): Map<string | null, number> {
  const counts = new Map<string | null, number>();
  for (const { state, slotDigest } of devices)
    if (state === 'enrolled') counts.set(slotDigest, (counts.get(slotDigest) ?? 0) + 1);
  return counts;
}

function pick(newestFirst: readonly ReleaseView[], wanted: readonly string[], basesMax: number): ReleaseView[] {
  demand(wanted.length <= basesMax, 'BAD_REQUEST', `${wanted.length} bases, at most ${basesMax}`);
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
