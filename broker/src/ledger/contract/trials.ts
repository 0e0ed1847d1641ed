/** Trials of releases on the record, and the rule that a product may have about them. */
import { demand, Refusal } from '@countersign/device-sdk';
import { APPLICATION } from '@countersign/device-sdk/format';
import { objectDigest } from './args.ts';
import { type Call, changed, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { keysBefore, personWith, wordStands } from './rights.ts';
import { type ProductState, type ReleaseState, read, toHex, write } from './state.ts';
import { readTrial, type TrialOutcome, type TrialRecord } from './trial-args.ts';
import type { TrialView } from './views.ts';

/**
 * A tester's word about one release; the newest record stands, and how many there were and failed stands beside it. Not
 * the uploader's: he would vouch for himself.
 * @throws Refusal NOT_PERMITTED, MALFORMED, UNSUPPORTED, TOO_LARGE, BAD_STATEMENT, NOT_FOUND, SAME_PERSON
 */
export async function trial(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['tester', 'approver'], 'a trial record');
  const record = readTrial(entry.tx.args);
  const releaseLeaf = toHex(record.releaseLeaf);
  const digest = objectDigest(call.verifier.sha256, 'trial', record.releaseLeaf);
  demand(toHex(entry.tx.object) === toHex(digest), 'BAD_STATEMENT', `the object is not the trial of ${releaseLeaf}`);
  const release = await read(call.stub, 'release', releaseLeaf);
  if (!release) throw new Refusal('NOT_FOUND', `there is no release ${releaseLeaf}`);
  const tester = permit.about(release.classId);
  demand(tester.name !== release.deployer, 'SAME_PERSON', `${tester.name} uploaded this release and does not try it`);
  demand(release.state !== 'rejected', 'BAD_STATEMENT', 'the release is rejected');
  checkAbout(record, release);
  const before = await read(call.stub, 'trial', releaseLeaf);
  const failed = record.profiles.some(({ outcomes }) => outcomes.some(({ code }) => code !== 'OK')) ? 1 : 0;
  await write(call.stub, 'trial', [releaseLeaf], {
    ...viewOf(record),
    by: tester.name,
    ...(keysBefore(tester) > 0 && { byBefore: keysBefore(tester) }),
    records: (before?.records ?? 0) + 1,
    recordsWithFailures: (before?.recordsWithFailures ?? 0) + failed,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'trial', tester.name),
  });
  await changed(call, entry, digest, 'trial', releaseLeaf);
}

/** A record that leaves out a branch is none: devices would be the first to try it. */
function checkAbout({ sequence, profiles }: TrialRecord, release: ReleaseState): void {
  demand(sequence === release.sequence, 'BAD_STATEMENT', `a trial of sequence ${sequence}, not ${release.sequence}`);
  const { components = [], branches, imageDigest } = release;
  const parts = components.length > 0 ? [{ id: APPLICATION, branches, imageDigest }, ...components] : [];
  const ids = parts.map(({ id }) => id).join();
  const same = profiles.every((profile) => (profile.components ?? []).map(({ id }) => id).join() === ids);
  demand(same, 'BAD_STATEMENT', 'a profile of other components than the release');
  if (parts.length === 0) {
    const bases = profiles.map(({ baseDigest }) => baseDigest);
    checkBranches(bases, branches, 'device');
  }
  for (const [i, part] of parts.entries()) {
    const bases = profiles.map((profile) => profile.components![i]!.baseDigest);
    // Where it is the release's own image that runs, it stays: no branch is taken.
    const moved = bases.filter((base) => base === null || toHex(base) !== part.imageDigest);
    checkBranches(moved, part.branches, part.id);
  }
}

function checkBranches(from: (Uint8Array | null)[], branches: ReleaseState['branches'], what: string): void {
  const bases = new Set(branches.map(({ baseDigest }) => baseDigest));
  const tried = new Set<string | null>();
  for (const digest of from) {
    const base = digest && toHex(digest);
    // What no branch is from takes the full image, as any other image does.
    tried.add(bases.has(base) ? base : null);
  }
  for (const base of bases)
    demand(tried.has(base), 'BAD_STATEMENT', `no ${what} of the trial came from ${base ?? 'another image'}`);
}

/**
 * The product's own rule: so many devices of every profile, and so large a share of them on the new release.
 * @throws Refusal NOT_TRIED
 */
export async function checkTried(call: Call, product: ProductState, release: ReleaseState): Promise<void> {
  const { requireTrial } = product;
  if (!requireTrial) return;
  const record = await read(call.stub, 'trial', release.releaseLeaf);
  if (!record) throw new Refusal('NOT_TRIED', `${product.name} demands a trial record, and there is none`);
  const tester = await read(call.stub, 'person', record.by);
  const stands = wordStands(tester, record.byBefore ?? 0);
  demand(stands, 'NOT_TRIED', `${record.by}, who signed the trial record, is not active any more, or has another key`);
  for (const profile of record.profiles) {
    const { devices, successPercent } = requireTrial;
    const name = `hardware ${profile.hardware} from ${profile.baseDigest?.slice(0, 8) ?? 'another image'}`;
    const enough = profile.devices >= devices;
    demand(enough, 'NOT_TRIED', `the trial had ${profile.devices} devices of ${name}, ${devices} are demanded`);
    const good = (profile.outcomes.OK ?? 0) + keptWithoutStaging(product, release, profile);
    const passed = good * 100 >= successPercent * profile.devices;
    const text = `in the trial ${good} of ${profile.devices} devices of ${name} ended on the release`;
    demand(passed, 'NOT_TRIED', `${text}, ${successPercent} percent are demanded`);
  }
}

/** With one slot, a device that no branch is from and whose staging area is too small has to stay as it is. */
function keptWithoutStaging(
  product: ProductState,
  release: ReleaseState,
  profile: TrialView['profiles'][number],
): number {
  const branch = release.branches.some(({ baseDigest }) => baseDigest !== null && baseDigest === profile.baseDigest);
  return product.oneSlot && !branch ? (profile.outcomes.NO_STAGING ?? 0) : 0;
}

function viewOf({ releaseLeaf, sequence, seed, faults, profiles, logDigest }: TrialRecord) {
  const rows = profiles.map(
    ({ hardware, baseDigest, devices, outcomes, components }): TrialView['profiles'][number] => ({
      ...{ hardware, baseDigest: baseDigest && toHex(baseDigest), devices, outcomes: countsOf(outcomes) },
      ...(components && {
        components: components.map((one) => ({
          ...{ id: one.id, baseDigest: one.baseDigest && toHex(one.baseDigest), outcomes: countsOf(one.outcomes) },
        })),
      }),
    }),
  );
  return { releaseLeaf: toHex(releaseLeaf), sequence, seed, faults, profiles: rows, logDigest: toHex(logDigest) };
}

function countsOf(outcomes: readonly TrialOutcome[]): Record<string, number> {
  return Object.fromEntries(outcomes.map(({ code, count }) => [code, count]));
}
