/** Which devices a trial has: every hardware revision times every image that the release has to lead away from. */

import type { Session } from '@countersign/broker/face/client/session';
import { type Field, imageOf, type TrialMaterial } from '@countersign/broker/face/client/trials';
import { TRIAL_PROFILES_MAX } from '@countersign/broker/ledger/contract/trial-args';
import type { TrialView } from '@countersign/broker/ledger/contract/views';
import { demand } from '@countersign/device-sdk';
import { hex, readManifest, unhex } from '@countersign/device-sdk/format';
import type { TrialKind } from './run.ts';

/** Where no device has a label: the revisions of the collection server's own bench. */
const HARDWARE = ['A', 'B'];
/** What a board runs that no branch is from: the full image has to do. */
const OTHER_IMAGE = new Uint8Array(64).fill(0x5a);

/** @throws Refusal TOO_LARGE for more profiles than a record holds; NOT_FOUND for a base that the server has not */
export async function profilesOf(
  session: Session,
  { manifest }: TrialMaterial,
  field: Field,
  devices: number,
  named: readonly string[] | undefined,
): Promise<TrialKind[]> {
  const { branches, image } = readManifest(manifest);
  const own = hex(image.digest);
  const digests = new Set([...branches.flatMap(({ base }) => (base ? [hex(base.digest)] : [])), ...field.images]);
  digests.delete(own);
  const hardware = named ?? (field.hardware.length > 0 ? field.hardware : HARDWARE);
  const count = hardware.length * (digests.size + 1);
  demand(
    count <= TRIAL_PROFILES_MAX,
    'TOO_LARGE',
    `${count} profiles, a record holds ${TRIAL_PROFILES_MAX}: name --hardware`,
  );
  const bases = await imagesOf(session, [...digests].sort());
  return hardware.flatMap((name) => bases.map((base): TrialKind => ({ hardware: name, ...base, devices })));
}

/** The profiles of a record, to do it again. */
export async function profilesOfRecord(session: Session, { profiles }: TrialView): Promise<TrialKind[]> {
  const digests = profiles.flatMap(({ baseDigest }) => (baseDigest ? [baseDigest] : []));
  const bases = await imagesOf(session, [...new Set(digests)]);
  return profiles.map(({ hardware, baseDigest, devices }) => {
    const base = bases.find((item) => (item.baseDigest ? hex(item.baseDigest) : null) === baseDigest)!;
    return { hardware, ...base, devices };
  });
}

async function imagesOf(
  session: Session,
  digests: readonly string[],
): Promise<Pick<TrialKind, 'baseDigest' | 'base'>[]> {
  const bases: Pick<TrialKind, 'baseDigest' | 'base'>[] = [];
  for (const digest of digests) {
    const baseDigest = unhex(digest);
    demand(baseDigest, 'BAD_STATEMENT', "the server's answer names no image");
    bases.push({ baseDigest, base: await imageOf(session, baseDigest) });
  }
  return [...bases, { baseDigest: null, base: OTHER_IMAGE }];
}
