/** Grants, and what enrols under them: claim codes, lists and certificates, for the attacks on a ledger and its tests. */
import { listRoot } from '@countersign/broker/distribution/enrolment/lists';
import { levelsOver, pathFrom } from '@countersign/broker/distribution/merkle-levels';
import { objectDigest, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { type EnrolGrant, enrolGrantArgs } from '@countersign/broker/ledger/contract/grant-args';
import { listedLeaf } from '@countersign/broker/ledger/contract/lists';
import {
  type Claim,
  hex,
  type PublicKey,
  publicKeyOf,
  type Signer,
  thumbprint,
  unhex,
  utf8,
} from '@countersign/device-sdk/format';
import { claimKey, newClaimCode } from '@countersign/device-sdk/host/claim';
import { serialDigest } from '@countersign/device-sdk/host/listing';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import type { Authority } from './certificates.ts';
import { act, CLASS, ORIGIN, sha256, type World } from './ledger-world.ts';

/** Long after every clock of the attacks. */
const EXPIRES = 4_000_000_000;

export const grantObject = (id: Uint8Array) => objectDigest(sha256, 'grant', id);
export const deviceObject = (id: Uint8Array) => objectDigest(sha256, 'device', id);
export const randomBytes = (n: number) => crypto.getRandomValues(new Uint8Array(n));

/** A code, and the grant that an operator signs for it: two devices of the one class. */
export function newGrant(change: Partial<EnrolGrant> = {}) {
  const { signer, grantId } = claimKey({ sha256 }, newClaimCode());
  const key = publicKeyOf(signer);
  const common = { grantId, key, classId: CLASS, devices: 2, expires: EXPIRES };
  const grant: EnrolGrant = { ...common, kind: 'code', content: null, ...change };
  return { signer, grantId: grant.grantId, args: enrolGrantArgs(grant) };
}

export type TestGrant = ReturnType<typeof newGrant>;

/** A list over these keys, with serials SN-0, SN-1 and so on. */
export function newList(keys: readonly Signer[]) {
  const lines = keys.map((signer, i) => ({
    serial: `SN-${i}`,
    salt: hex(randomBytes(16)),
    print: hex(thumbprint(sha256, publicKeyOf(signer))),
  }));
  const leaves = lines.map(({ serial, salt, print }) =>
    listedLeaf(sha256, serialDigest(sha256, unhex(salt)!, serial), unhex(print)!),
  );
  const levels = levelsOver(sha256, leaves);
  const grant = newGrant({ kind: 'list', devices: lines.length, content: unhex(listRoot(sha256, lines))! });
  const placeOf = (index: number) => ({
    serial: lines[index]!.serial,
    listing: { grantId: grant.grantId, salt: unhex(lines[index]!.salt)!, index, path: pathFrom(levels, index) },
  });
  return { ...grant, lines, placeOf };
}

export const authorityKey = ({ cert }: Pick<Authority, 'cert'>): PublicKey => readPublicKeyFile(utf8(cert));

/** The grant of an authority. */
export function newAuthorityGrant(authority: Authority, devices = 9): TestGrant {
  return newGrant({ kind: 'authority', devices, content: thumbprint(sha256, authorityKey(authority)) });
}

/** What a new device of the class says of itself. */
export const claimOf = (grantId: Uint8Array, change: Partial<Claim> = {}): Claim => ({
  ...{ origin: ORIGIN, grantId, deviceId: randomBytes(16), classId: CLASS },
  ...change,
});

/** The grant is in the ledger: alice has signed it. */
export async function granted<G extends Pick<TestGrant, 'grantId' | 'args'>>(world: World, grant: G): Promise<G> {
  await act(world, world.people.alice!, 'enrol', grantObject(grant.grantId), grant.args);
  return grant;
}

/** It enrols nobody any more. */
export function revokeGrant(world: World, grantId: Uint8Array) {
  return act(world, world.people.alice!, 'revoke', grantObject(grantId), revokeArgs('grant', grantId, 'photographed'));
}
