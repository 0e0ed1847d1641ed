/**
 * The next trust root from the one in force. Every rotation is one of three changes of a key list:
 *  add     the key counts from this version on
 *  revoke  the key stays listed, its work counts before a log size alone: for keys that were stolen, and for every
 *          collection key, whose releases must stay valid
 *  remove  the key is gone, with all its work: for keys whose work is made anew, and for old revoked ones
 */
import { demand } from '@countersign/device-sdk';
import {
  encodeRoot,
  encodeSignedRoot,
  equal,
  hex,
  kidOf,
  type PublicKey,
  type Revocation,
  ROLES,
  type Role,
  readSignedRoot,
  type Sha256,
  type Signer,
  signDetached,
  type TrustRoot,
  thumbprint,
} from '@countersign/device-sdk/format';

export interface RootChange {
  add?: readonly { role: Role; key: PublicKey }[];
  /** By kid, in hex. A key that is revoked already keeps its earlier place. */
  revoke?: readonly { kid: string; logSize: number }[];
  remove?: readonly string[];
  thresholds?: Partial<Record<Role, number>>;
  headAgeMax?: number;
  floors?: TrustRoot['floors'];
  /** A head from which devices begin again; null takes a former one out. */
  restart?: NonNullable<TrustRoot['restart']> | null;
}

/** @returns version N+1, not signed yet. @throws Refusal NOT_FOUND for a kid that the root does not list; EXISTS */
export function planNextRoot(sha256: Sha256, current: TrustRoot, change: RootChange): TrustRoot {
  const kidsOf = (key: PublicKey) => hex(kidOf(sha256, key));
  const removed = new Set(change.remove);
  const listed = ROLES.flatMap((role) => current.roles[role].keys);
  for (const kid of [...removed, ...(change.revoke ?? []).map((item) => item.kid)])
    demand(
      listed.some((key) => kidsOf(key) === kid),
      'NOT_FOUND',
      `trust root ${current.version} has no key ${kid}`,
    );
  for (const { key } of change.add ?? [])
    demand(!listed.some((known) => equal(known.bytes, key.bytes)), 'EXISTS', `key ${kidsOf(key)} is listed already`);
  const roles = Object.fromEntries(
    ROLES.map((role) => {
      const { threshold, keys, implicit } = current.roles[role];
      const added = (change.add ?? []).filter((item) => item.role === role).map(({ key }) => key);
      const stay = keys.filter((key) => !removed.has(kidsOf(key)));
      return [role, { threshold: change.thresholds?.[role] ?? threshold, keys: [...stay, ...added], implicit }];
    }),
  ) as TrustRoot['roles'];
  const { restart: former, ...rest } = current;
  const restart = change.restart === undefined ? former : change.restart;
  return {
    ...rest,
    version: current.version + 1,
    roles,
    headAgeMax: change.headAgeMax ?? current.headAgeMax,
    ...(restart ? { restart } : {}),
    floors: change.floors ?? current.floors,
    revocations: revocationsOf(sha256, current, roles, change.revoke ?? []),
  };
}

/** Former ones and new ones, as far as their keys are still listed: a key that is gone needs none. */
function revocationsOf(
  sha256: Sha256,
  current: TrustRoot,
  roles: TrustRoot['roles'],
  revoke: readonly { kid: string; logSize: number }[],
): Revocation[] {
  return ROLES.flatMap((role) => roles[role].keys).flatMap((key) => {
    const print = thumbprint(sha256, key);
    const places = [
      ...current.revocations.filter((item) => equal(item.thumbprint, print)).map(({ logSize }) => logSize),
      ...revoke.filter(({ kid }) => kid === hex(kidOf(sha256, key))).map(({ logSize }) => logSize),
    ];
    return places.length > 0 ? [{ thumbprint: print, logSize: Math.min(...places) }] : [];
  });
}

/** Keys of a role that are listed and not revoked. */
export function activeKeys(sha256: Sha256, root: TrustRoot, role: Role): PublicKey[] {
  const revoked = (key: PublicKey) => root.revocations.some((item) => equal(item.thumbprint, thumbprint(sha256, key)));
  return root.roles[role].keys.filter((key) => !revoked(key));
}

/**
 * Replaces every active key of a role by new ones. A collection key's releases stay valid, so it stays listed and is
 * revoked from this log size on; a stolen key likewise, from where the theft may have begun. Another key is taken out:
 * what it signed is signed again.
 */
export function rotation(
  sha256: Sha256,
  current: TrustRoot,
  role: Role,
  keys: readonly PublicKey[],
  logSize: number,
  stolen = false,
): RootChange {
  const kids = activeKeys(sha256, current, role).map((key) => hex(kidOf(sha256, key)));
  const add = keys.map((key) => ({ role, key }));
  if (role === 'collection' || stolen) return { add, revoke: kids.map((kid) => ({ kid, logSize })) };
  return { add, remove: kids };
}

/** One signature of a root key, made where that key lies. */
export function signRootPayload(sha256: Sha256, next: TrustRoot, signer: Signer): Promise<Uint8Array> {
  return signDetached(sha256, 'root', encodeRoot(next), signer);
}

/** @throws Refusal BAD_ROOT, TOO_LARGE for a root that no device would accept */
export function signedRootOf(sha256: Sha256, next: TrustRoot, signatures: readonly Uint8Array[]): Uint8Array {
  const bytes = encodeSignedRoot(encodeRoot(next), signatures);
  readSignedRoot(sha256, bytes);
  return bytes;
}
