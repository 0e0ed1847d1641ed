/**
 * No device ever runs bytes that were not current when they were installed: judged from the ledger alone, for fleets over
 * TCP, where nobody looks into the flash at every step. Nobody but the device knows the moment of an install; two ends of
 * it are known. It did not begin before the head that the device held, which its report of the trial names and signs,
 * and it was over when that report was logged, at the time of its block.
 *
 * By its own head a device is judged without tolerance: the newest rollout statement under that head names the release,
 * and says open. What a device could not yet have heard is judged by the clock, with a tolerance.
 */
import type { Chronicle } from './chronicle.ts';
import type { JudgedRelease } from './release.ts';
import type { LoggedReport } from './report.ts';

/**
 * From the ledger's newer word about the class to the report of a trial that it forbids: a connected device asks again
 * within 15 minutes however often it was lied to (RETRY_MS_MAX), and its report is sent again within 10 (RESEND_MS_MAX);
 * the rest is for restarts and power cuts. A device in the field may be away for longer and be right, until its trust
 * root's maximum head age stops it. No simulated device is away for so long.
 */
export const LATE_SECONDS = 1_800;

/**
 * @param own a device's reports in their order
 * @returns how many installs were judged
 */
export function checkCurrency(
  own: readonly LoggedReport[],
  manifests: ReadonlyMap<string, JudgedRelease>,
  chronicle: Chronicle,
  say: (text: string) => void,
): number {
  const tried = new Set<string>();
  let judged = 0;
  for (const report of own) {
    const { outcome, manifestDigest, counter, headSize, leafIndex } = report;
    if (headSize > leafIndex) say(`report ${counter} names a head of ${headSize} entries, and is entry ${leafIndex}`);
    const release = manifests.get(manifestDigest);
    const isTrial = outcome === 'trial';
    // A report of a trial that met a full outbox is replaced by that of its end: the clock alone judges such an install.
    if (!isTrial && (outcome !== 'updated' || tried.has(manifestDigest))) continue;
    if (!release) {
      say(`report ${counter} is about a release that was never logged`);
      continue;
    }
    judged++;
    if (isTrial) {
      tried.add(manifestDigest);
      const current = chronicle.currentAt(release.classId, headSize);
      const fits = current?.open && current.releaseLeaf === release.leaf;
      if (!fits) say(`tried ${release.version}, which was not current under its head of ${headSize} entries`);
    }
    const late = lateness(report, release, chronicle);
    if (late > LATE_SECONDS) say(`installed ${release.version} up to ${late} s after it had ceased to be current`);
  }
  return judged;
}

/** Seconds between the end of the release's currency and the report; 0 where it was current, or the times are not known. */
function lateness(
  { headSize, leafIndex }: LoggedReport,
  { classId, leaf }: JudgedRelease,
  chronicle: Chronicle,
): number {
  const ended = chronicle.endOf(classId, leaf, headSize);
  if (ended === undefined || ended > leafIndex) return 0;
  const [from, to] = [chronicle.timeOf(ended), chronicle.timeOf(leafIndex)];
  return from === undefined || to === undefined ? 0 : to - from;
}
