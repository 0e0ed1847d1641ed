/**
 * The judge at the end. It reads the flash from outside and the ledger leaf by leaf, with its own decoder and with another
 * crypto library, and calls nothing of the SDK: the accused does not grade itself.
 */
import type { Fleet } from '../fleet/fleet.ts';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import { byImage, type Chronicle } from './chronicle.ts';
import { ed25519Key, hex } from './crypto.ts';
import { checkCurrency } from './currency.ts';
import type { JudgedRelease } from './release.ts';
import type { LoggedReport } from './report.ts';
import { Images, isOneSlot, type Known, type Sizes, type Standing } from './slots.ts';

export interface Verdict {
  ok: boolean;
  /** Devices whose running slot was read. */
  slots: number;
  /** Reports whose signature, chain and truth were checked. */
  reports: number;
  /** Installs of which it was asked whether the release was current then. */
  installs: number;
  problems: string[];
}

/** What the ledger says that devices of this fleet may run, by image, and by manifest. */
export interface Law extends Known {
  images: ReadonlyMap<string, JudgedRelease[]>;
  manifests: ReadonlyMap<string, JudgedRelease>;
  /** Whether the factory put exactly this there, which then need not have been rolled out. */
  isFactory(release: JudgedRelease): boolean;
}

/** @param reports left out: all that the ledger holds */
export function judge(fleet: Fleet, chronicle: Chronicle, reports = chronicle.reports): Verdict {
  const problems = [...chronicle.problems];
  const law = lawOf(fleet, chronicle);
  const slots = new Images();
  const byDevice = new Map<string, LoggedReport[]>();
  for (const report of reports) byDevice.set(report.deviceId, [...(byDevice.get(report.deviceId) ?? []), report]);
  let [checked, installs] = [0, 0];
  for (const device of fleet.devices) {
    const say = (text: string) => problems.push(`device ${device.profile.number}: ${text}`);
    const standing = slots.booted(device, law);
    if (standing.image === undefined) {
      say('runs an image that was never released');
      continue;
    }
    const own = byDevice.get(hex(device.profile.id)) ?? [];
    installs += checkCurrency(own, law.manifests, chronicle, say);
    checked += checkReports(device, own, law, say);
    if (standing.releases.length === 0) {
      say(`runs components that no one release has together: ${standing.text}`);
      continue;
    }
    for (const fault of faultsOfAll(standing, law, chronicle, fleet)) say(fault);
    checkFloor(standing, own, law, say);
    checkLastWord(standing, isOneSlot(device), own.at(-1), law, say);
    checkAgreement(device, own.at(-1), say);
  }
  return { ok: problems.length === 0, slots: fleet.devices.length, reports: checked, installs, problems };
}

export function lawOf({ classId, factoryImage, factoryParts }: Fleet, chronicle: Chronicle): Law {
  const images = byImage(chronicle, classId);
  const releases = [...images.values()].flat();
  const parts = new Map<string, Map<string, number>>();
  for (const { id, digest, bytes } of releases.flatMap(({ components }) => components)) {
    const sizes = parts.get(id) ?? new Map<string, number>();
    parts.set(id, sizes.set(digest, bytes));
  }
  return {
    images,
    parts: parts satisfies ReadonlyMap<string, Sizes>,
    sizes: new Map(releases.map((release) => [release.imageDigest, release.imageBytes])),
    manifests: new Map(releases.map((release) => [release.manifestDigest, release])),
    isFactory: ({ imageDigest, components }) =>
      imageDigest === factoryImage && components.every(({ id, digest }) => factoryParts.get(id) === digest),
  };
}

/** Whether one release that is all this was signed twice and logged. What the factory put in needs no rollout. */
export function faultsOfAll(
  { releases }: Standing,
  { isFactory }: Law,
  chronicle: Chronicle,
  { overheard }: Pick<Fleet, 'overheard'>,
): string[] {
  const faults = releases.map((release) => {
    const found = chronicle.faultsOf(release).map((fault) => `runs ${release.version}, which ${fault}`);
    const second = isFactory(release) || chronicle.isSecondSigned(release, overheard);
    return second ? found : [...found, `runs ${release.version}, whose second signature nobody heard`];
  });
  return faults.some((found) => found.length === 0) ? [] : (faults[0] ?? []);
}

/**
 * Each report is signed by the device's key, continues the one before it, and names an image and a release that there are;
 * none that was acknowledged is missing.
 */
function checkReports(device: VirtualDevice, own: readonly LoggedReport[], law: Law, say: (text: string) => void) {
  const key = ed25519Key(device.profile.keys.publicKey);
  let previous = '0'.repeat(64);
  let counter = 0;
  for (const report of own) {
    const { signed } = report;
    if (!signed.holds(key)) say(`report ${report.counter} is not signed by its key`);
    if (report.counter !== counter + 1) say(`report ${report.counter} follows report ${counter}`);
    if (report.previous !== previous) say(`report ${report.counter} does not continue the one before it`);
    checkTruth(report, law, say);
    previous = report.own;
    counter = report.counter;
  }
  const { reports, outbox } = device.state ?? { reports: { counter: 0 }, outbox: [] };
  const acknowledged = reports.counter - outbox.length;
  if (counter < acknowledged) say(`report ${acknowledged} was acknowledged, and the ledger has ${counter}`);
  return own.length;
}

/** What one report says of its slots may be said of them at all. */
function checkTruth(report: LoggedReport, law: Law, say: (text: string) => void) {
  const { counter, outcome, slotDigest, manifestDigest } = report;
  if (!law.images.has(slotDigest)) say(`report ${counter} names a slot that holds no released image`);
  const tried = law.manifests.get(manifestDigest);
  if (outcome === 'updated' && tried?.imageDigest !== slotDigest) {
    say(`report ${counter} says updated, and names another slot than that release's image`);
  }
  for (const [id, { digest, code }] of report.components) {
    const wanted = tried?.components.find((one) => one.id === id)?.digest;
    if (!law.parts.get(id)?.has(digest)) say(`report ${counter} names a slot of ${id} that holds no released image`);
    if (outcome === 'updated' && digest !== wanted) say(`report ${counter} says updated, and names another ${id}`);
    if (code === 'OK' && digest !== wanted) say(`report ${counter} says OK of ${id}, and names another one`);
  }
}

/** Releases that a device confirmed rise without exception, and it runs none that is older than the last of them. */
function checkFloor(standing: Standing, own: readonly LoggedReport[], law: Law, say: (text: string) => void): void {
  let floor = 0;
  for (const { counter, outcome, manifestDigest } of own) {
    const sequence = outcome === 'updated' ? (law.manifests.get(manifestDigest)?.sequence ?? 0) : floor;
    if (sequence < floor) say(`report ${counter} confirms release ${sequence} below the floor ${floor}`);
    floor = Math.max(floor, sequence);
  }
  const sequence = newest(standing);
  if (sequence < floor) say(`runs release ${sequence} below its floor ${floor}`);
}

/** The newest release that is all this: the same bytes may come again, as an authorised downgrade. */
export function newest({ releases }: Standing): number {
  return Math.max(...releases.map(({ sequence }) => sequence));
}

/** Nothing is in progress for one side alone: a trial is under way for both or for neither, once all reports have arrived. */
function checkAgreement({ state }: VirtualDevice, last: LoggedReport | undefined, say: (text: string) => void): void {
  if (!state || state.outbox.length > 0 || state.missed) return;
  const onTrial = state.pending?.phase === 'trial';
  if (last?.outcome === 'trial' && !onTrial) say('is on trial for the ledger, and knows of none');
  if (last?.outcome !== 'trial' && onTrial) say('is on trial, and the ledger knows of none');
}

/**
 * The ledger's last word about a device is true of its slots.
 * @param stays with one slot an image that failed its test stays, for there is no other
 */
function checkLastWord(
  { image: running, releases }: Standing,
  stays: boolean,
  last: LoggedReport | undefined,
  { manifests, isFactory }: Law,
  say: (text: string) => void,
): void {
  if (last === undefined) {
    if (!releases.some(isFactory))
      say('runs another image than the factory gave it, and the ledger knows nothing of it');
    return;
  }
  const tried = manifests.get(last.manifestDigest);
  const runsIt = tried !== undefined && releases.includes(tried);
  if (last.outcome !== 'trial' && last.slotDigest !== running) say(`reported slot ${last.slotDigest}, runs ${running}`);
  if (last.outcome === 'updated' && !runsIt) say('reported an update to another image than it runs');
  for (const { id, digest } of last.outcome === 'trial' ? [] : releases[0]!.components) {
    const said = last.components.get(id)?.digest;
    if (said !== digest) say(`reported ${id} ${said}, runs ${digest}`);
  }
  if (last.outcome === 'reverted' && runsIt && !stays) say('reported a revert of the image that it runs');
}
