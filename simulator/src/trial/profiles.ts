/** Which devices a trial has: every hardware revision times every release that this one has to lead away from. */

import type { Session } from '@countersign/broker/face/client/session';
import { confirmedOf, type Field, imageOf, type TrialMaterial } from '@countersign/broker/face/client/trials';
import { TRIAL_PROFILES_MAX } from '@countersign/broker/ledger/contract/trial-args';
import type { ReleaseView, TrialView } from '@countersign/broker/ledger/contract/views';
import { demand } from '@countersign/device-sdk';
import { APPLICATION, allComponents, hex, readManifest, unhex } from '@countersign/device-sdk/format';
import type { TrialKind } from './run.ts';

/** Where no device has a label: the revisions of the collection server's own bench. */
const HARDWARE = ['A', 'B'];
/** What a board runs that no branch is from: the full image has to do. */
const OTHER_IMAGE = new Uint8Array(64).fill(0x5a);

/** What devices come from, a digest in hex for each component, the application first; null: what no branch is from. */
type Start = readonly (string | null)[];

/** @throws Refusal TOO_LARGE for more profiles than a record holds; NOT_FOUND for a base that the server has not */
export async function profilesOf(
  session: Session,
  material: TrialMaterial,
  field: Field,
  devices: number,
  named: readonly string[] | undefined,
): Promise<TrialKind[]> {
  const parts = allComponents(readManifest(material.manifest)).map(({ id, digest, branches }) => {
    return { id, own: hex(digest), bases: branches.flatMap(({ base }) => (base ? [hex(base.digest)] : [])) };
  });
  const starts =
    parts.length === 1 ? startsOfOne(parts[0]!, field) : await startsOfSets(session, parts, material, field);
  const hardware = named ?? (field.hardware.length > 0 ? field.hardware : HARDWARE);
  const count = hardware.length * starts.length;
  demand(
    count <= TRIAL_PROFILES_MAX,
    'TOO_LARGE',
    `${count} profiles, a record holds ${TRIAL_PROFILES_MAX}: name --hardware`,
  );
  const ids = parts.map(({ id }) => id);
  const images = await imagesOf(session, starts.flat());
  return hardware.flatMap((name) => starts.map((start) => kindOf(name, ids, start, images, devices)));
}

interface Part {
  id: string;
  own: string;
  bases: readonly string[];
}

function startsOfOne({ own, bases }: Part, field: Field): Start[] {
  const digests = new Set([...bases, ...field.images]);
  digests.delete(own);
  return [...[...digests].sort().map((digest) => [digest]), [null]];
}

/**
 * Of several components devices run whole releases: for every branch the newest one that has its base, and every one that
 * a device runs.
 */
async function startsOfSets(
  { api }: Session,
  parts: readonly Part[],
  { product }: TrialMaterial,
  field: Field,
): Promise<Start[]> {
  const releases = await confirmedOf(api, product.classId);
  const sets = releases.map((release) => ({ release, start: parts.map(({ id }) => digestIn(release, id)) }));
  const newestWith = (at: number, base: string) => sets.findLast(({ start }) => start[at] === base);
  const chosen = [
    ...parts.flatMap(({ bases }, at) => bases.flatMap((base) => newestWith(at, base) ?? [])),
    ...sets.filter(({ release }) => field.releases.includes(release.releaseLeaf)),
  ].filter(({ start }) => start.some((digest, at) => digest !== parts[at]!.own));
  const distinct = new Map(chosen.map(({ start }) => [start.join(' '), start]));
  return [...[...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, start]) => start), parts.map(() => null)];
}

function digestIn(release: ReleaseView, id: string): string | null {
  if (id === APPLICATION) return release.imageDigest;
  return release.components?.find((one) => one.id === id)?.imageDigest ?? null;
}

/** The profiles of a record, to do it again. */
export async function profilesOfRecord(session: Session, { profiles }: TrialView): Promise<TrialKind[]> {
  const each = profiles.map(({ baseDigest, components }) => components ?? [{ id: APPLICATION, baseDigest }]);
  const images = await imagesOf(
    session,
    each.flat().map(({ baseDigest }) => baseDigest),
  );
  return profiles.map(({ hardware, devices }, i) => {
    const [ids, start] = [each[i]!.map(({ id }) => id), each[i]!.map(({ baseDigest }) => baseDigest)];
    return kindOf(hardware, ids, start, images, devices);
  });
}

function kindOf(
  hardware: string,
  ids: readonly string[],
  start: Start,
  images: ReadonlyMap<string, Uint8Array>,
  devices: number,
): TrialKind {
  const bases = start.map((digest) => ({
    baseDigest: digest === null ? null : unhex(digest)!,
    base: digest === null ? OTHER_IMAGE : images.get(digest)!,
  }));
  const further = bases.slice(1).map((base, i) => ({ id: ids[i + 1]!, ...base }));
  return { hardware, ...bases[0]!, devices, ...(further.length > 0 && { components: further }) };
}

async function imagesOf(session: Session, digests: Start): Promise<Map<string, Uint8Array>> {
  const images = new Map<string, Uint8Array>();
  for (const digest of new Set(digests)) {
    if (digest === null) continue;
    const bytes = unhex(digest);
    demand(bytes, 'BAD_STATEMENT', "the server's answer names no image");
    images.set(digest, await imageOf(session, bytes));
  }
  return images;
}
