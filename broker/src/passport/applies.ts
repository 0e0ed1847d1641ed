/** Which releases apply to a device, by its passport and its own reports, and in a sentence why the others do not. */
import { type Code, demand } from '@countersign/device-sdk';
import { APPLICATION, HASH_BYTES, hex } from '@countersign/device-sdk/format';
import type { DeviceView, ProductView, ReleaseView, TrialView } from '../ledger/contract/views.ts';
import { applicationOf, type Passport } from './passport.ts';

/** What passport and reports say of each other. */
export interface Agreement {
  /**
   * unreported: the device has not spoken. agrees. outdated: it has confirmed a later release since, as it says.
   * differs: they contradict each other, and which is right is not known.
   */
  state: 'unreported' | 'agrees' | 'outdated' | 'differs';
  text: string;
}

export interface Applies {
  releaseLeaf: string;
  version: string;
  sequence: number;
  applies: boolean;
  /** OK, or why not. */
  code: Code | 'OK';
  reason: string;
}

export interface Facts {
  passport: Passport;
  product: ProductView;
  /** Of the product. */
  releases: readonly ReleaseView[];
  /** Left out for the passport of a class. */
  device?: DeviceView | undefined;
  /** Newest trial records, by release leaf. */
  trials: ReadonlyMap<string, TrialView>;
  /** Of the class's entry in the index; 0 for none. */
  floor: number;
}

export function agreementOf(facts: Facts): Agreement {
  const { passport, releases } = facts;
  const reported = reportedBy(facts);
  if (!reported) return { state: 'unreported', text: 'no report says what the device runs' };
  const { version } = applicationOf(passport);
  const said = new Map(passport.components.map(({ name, digest }) => [name, hex(digest)]));
  const other = [...reported].filter(([name, digest]) => said.get(name) !== digest);
  if (other.length === 0) return { state: 'agrees', text: `the device reports what the passport says, ${version}` };
  const now = newest(releases, reported);
  const then = newest(releases, said);
  if (now && then && now.sequence > then.sequence) {
    const text = `the device reports ${now.version}, which came after the passport's ${then.version}: renew the passport`;
    return { state: 'outdated', text };
  }
  const differences = other.map(
    ([name, digest]) =>
      `${name} is ${(said.get(name) ?? 'not in it').slice(0, 12)} in the passport and ${digest.slice(0, 12)} in the report`,
  );
  return { state: 'differs', text: differences.join('; ') };
}

/** Digests of what runs, by component, as the last report has them. */
function reportedBy({ device }: Facts): Map<string, string> | undefined {
  if (!device?.slotDigest) return undefined;
  const further = (device.components ?? []).map(({ id, digest }): [string, string] => [id, digest]);
  return new Map([[APPLICATION, device.slotDigest], ...further]);
}

/** Every confirmed release, the newest first. */
export function appliesTo(facts: Facts): Applies[] {
  const agreement = agreementOf(facts);
  const confirmed = facts.releases.filter(({ state }) => state === 'confirmed');
  return [...confirmed].sort((a, b) => b.sequence - a.sequence).map((release) => rowOf(facts, agreement, release));
}

/** One confirmed release of those in the facts. @throws Refusal NOT_FOUND */
export function judgeRelease(facts: Facts, releaseLeaf: string): Applies {
  const release = facts.releases.find((one) => one.releaseLeaf === releaseLeaf);
  demand(release, 'NOT_FOUND', `the product has no release ${releaseLeaf}`);
  return rowOf(facts, agreementOf(facts), release);
}

function rowOf(facts: Facts, agreement: Agreement, release: ReleaseView): Applies {
  const { releaseLeaf, version, sequence } = release;
  const [code, reason] = judge(facts, agreement, release);
  return { releaseLeaf, version, sequence, applies: code === 'OK', code, reason };
}

type Verdict = [code: Code | 'OK', reason: string];

function judge(facts: Facts, agreement: Agreement, release: ReleaseView): Verdict {
  const { passport, product, releases, device, floor } = facts;
  if (device?.state === 'revoked') return ['REVOKED', 'the device is revoked'];
  const classId = device?.classId ?? hex(passport.subject.id);
  if (release.classId !== classId) return ['WRONG_CLASS', `the release is for class ${release.classId}`];
  if (agreement.state === 'differs')
    return ['CONFLICT', `${agreement.text}: look at the device, then renew the passport`];
  const said = new Map(passport.components.map(({ name, digest }) => [name, hex(digest)]));
  const runs = (agreement.state === 'outdated' && reportedBy(facts)) || said;
  const running = newest(releases, runs);
  if (running && release.sequence === running.sequence) return ['DUPLICATE', `it runs ${running.version} already`];
  if (running && release.sequence < running.sequence) {
    return ['ROLLBACK', `it runs sequence ${running.sequence}, this is ${release.sequence}`];
  }
  if (release.sequence < floor) return ['ROLLBACK', `the floor is ${floor}, this is sequence ${release.sequence}`];
  if (release.releaseLeaf !== product.head) {
    return ['NOT_CURRENT', `sequence ${product.sequence} has taken its place`];
  }
  const failed = failedOn(facts.trials.get(release.releaseLeaf), passport.hardware);
  return failed ?? reached(product, release, runs);
}

/** A trial in which no device of this hardware ended on the release says enough. */
function failedOn(trial: TrialView | undefined, hardware: string): Verdict | undefined {
  const rows = trial?.profiles.filter((profile) => profile.hardware === hardware) ?? [];
  if (rows.length === 0 || rows.some(({ outcomes }) => outcomes.OK)) return undefined;
  const codes = [...new Set(rows.flatMap(({ outcomes }) => Object.keys(outcomes)))].sort();
  const [code] = codes as Code[];
  return [code!, `in the trial no device of hardware ${hardware} ended on it: ${codes.join(', ')}`];
}

/** Every component has a branch from what runs of it, or stays as it is. */
function reached(
  { oneSlot, frameBytes }: ProductView,
  release: ReleaseView,
  runs: ReadonlyMap<string, string>,
): Verdict {
  const room = oneSlot?.stagingBytes ?? Number.POSITIVE_INFINITY;
  const ways: string[] = [];
  for (const { id, imageDigest, branches } of imagesOf(release)) {
    const base = runs.get(id);
    // Devices take exactly the components that they have: a full image of another one helps nobody.
    if (base === undefined) return ['WRONG_COMPONENTS', `it has no component ${id}`];
    if (base === imageDigest) continue;
    const delta = branches.find(({ baseDigest }) => baseDigest !== null && baseDigest === base);
    const branch = delta ?? branches.find(({ baseDigest }) => baseDigest === null);
    if (!branch) return ['WRONG_BASE', `no branch of ${id} fits what it runs`];
    // Staged are whole frames, each but the last with the hash of the next one.
    const staged = branch.payloadBytes + HASH_BYTES * (Math.ceil(branch.payloadBytes / frameBytes) - 1);
    if (staged > room) return ['NO_STAGING', `its ${staged} bytes do not fit a staging area of ${room}`];
    ways.push(
      `${delta ? 'a delta' : 'the full image, as no delta is from what it runs,'} of ${branch.payloadBytes} bytes for ${id}`,
    );
  }
  return ['OK', ways.join('; ') || 'nothing has to be fetched'];
}

function imagesOf({ imageDigest, branches, components = [] }: ReleaseView) {
  return [{ id: APPLICATION, imageDigest, branches }, ...components];
}

/** Of the confirmed releases of these very images the one with the highest sequence. */
function newest(releases: readonly ReleaseView[], runs: ReadonlyMap<string, string>): ReleaseView | undefined {
  const own = releases.filter(
    (release) =>
      release.state === 'confirmed' && imagesOf(release).every(({ id, imageDigest }) => runs.get(id) === imageDigest),
  );
  return own.sort((a, b) => b.sequence - a.sequence)[0];
}
