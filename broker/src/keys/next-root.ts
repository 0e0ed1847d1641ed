/**
 * The next trust root from the one in force. Every rotation is one of three changes of a key list:
 *  add     the key counts from this version on
 *  revoke  the key stays listed, its work counts before a log size alone: for keys that were stolen, and for every
 *          collection key, whose releases must stay valid
 *  remove  the key is gone, with all its work: for keys whose work is made anew, and for old revoked ones
 */
import { demand, type Verifier } from '@countersign/device-sdk';
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
import { keysOf } from '@countersign/device-sdk/verify';

/** What a lookup of keys needs of a verifier. */
type Keyed = Pick<Verifier, 'sha256' | 'implicit'>;

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
export function planNextRoot(verifier: Keyed, current: TrustRoot, change: RootChange): TrustRoot {
  const { sha256 } = verifier;
  const kidsOf = (key: PublicKey) => hex(kidOf(sha256, key));
  const removed = new Set(change.remove);
  const listed = ROLES.flatMap((role) => keysOf(verifier, current, role));
  const knows = (keys: readonly PublicKey[], kid: string) =>
    demand(
      keys.some((key) => kidsOf(key) === kid),
      'NOT_FOUND',
      `trust root ${current.version} has no key ${kid}`,
    );
  for (const { kid } of change.revoke ?? []) knows(listed, kid);
  // An implicit key can be revoked; it is taken out with the list of its centre alone.
  const ordinary = ROLES.flatMap((role) => current.roles[role].keys);
  for (const kid of removed) knows(ordinary, kid);
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
    revocations: revocationsOf(verifier, current, roles, change.revoke ?? []),
  };
}

/** Former ones, but of keys that were taken out, and new ones; a key that is revoked already keeps its earlier place. */
function revocationsOf(
  verifier: Keyed,
  current: TrustRoot,
  roles: TrustRoot['roles'],
  revoke: readonly { kid: string; logSize: number }[],
): Revocation[] {
  const { sha256 } = verifier;
  const prints = (root: TrustRoot['roles']) =>
    ROLES.flatMap((role) => root[role].keys).map((key) => thumbprint(sha256, key));
  const listed = prints(roles);
  const gone = prints(current.roles).filter((print) => !listed.some((item) => equal(item, print)));
  const places = new Map(current.revocations.map((item) => [hex(item.thumbprint), item]));
  for (const print of gone) places.delete(hex(print));
  const implicit = ROLES.flatMap((role) => keysOf(verifier, current, role)).map((key) => thumbprint(sha256, key));
  for (const print of [...listed, ...implicit.filter((item) => !gone.some((print) => equal(print, item)))]) {
    // The key id is the beginning of the thumbprint.
    for (const { logSize } of revoke.filter(({ kid }) => hex(print).startsWith(kid))) {
      const before = places.get(hex(print))?.logSize ?? logSize;
      places.set(hex(print), { thumbprint: print, logSize: Math.min(before, logSize) });
    }
  }
  return [...places.values()];
}

/** Keys of a role that are listed, implicit ones too, and not revoked. */
export function activeKeys(verifier: Keyed, root: TrustRoot, role: Role): PublicKey[] {
  const { sha256 } = verifier;
  const revoked = (key: PublicKey) => root.revocations.some((item) => equal(item.thumbprint, thumbprint(sha256, key)));
  return keysOf(verifier, root, role).filter((key) => !revoked(key));
}

/**
 * Replaces every active key of a role by new ones. A collection key's releases stay valid, so it stays listed and is
 * revoked from this log size on; a stolen key likewise, from where the theft may have begun. Another key is taken out:
 * what it signed is signed again.
 */
export function rotation(
  verifier: Keyed,
  current: TrustRoot,
  role: Role,
  keys: readonly PublicKey[],
  logSize: number,
  stolen = false,
): RootChange {
  const { sha256 } = verifier;
  const active = activeKeys(verifier, current, role).map((key) => hex(kidOf(sha256, key)));
  const listed = new Set(current.roles[role].keys.map((key) => hex(kidOf(sha256, key))));
  // An implicit key is not on the list, so it cannot be taken from there.
  const revoked = active.filter((kid) => role === 'collection' || stolen || !listed.has(kid));
  return {
    add: keys.map((key) => ({ role, key })),
    revoke: revoked.map((kid) => ({ kid, logSize })),
    remove: active.filter((kid) => !revoked.includes(kid)),
  };
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
