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
  type ImplicitKey,
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
import { centreKids, centrePrints, nextImplicit } from './next-implicit.ts';

/** What a lookup of keys needs of a verifier. */
type Keyed = Pick<Verifier, 'sha256' | 'implicit'>;

export interface RootChange {
  add?: readonly { role: Role; key: PublicKey }[];
  /** Keys that a centre issued, each of a centre that is pinned. */
  issued?: readonly ImplicitKey[];
  /** Centres that are pinned beside those that are. */
  centres?: readonly PublicKey[];
  /** By kid, in hex. A key that is revoked already keeps its earlier place. */
  revoke?: readonly { kid: string; logSize: number }[];
  /** By kid, in hex; a centre's only with the last of its keys. */
  remove?: readonly string[];
  thresholds?: Partial<Record<Role, number>>;
  headAgeMax?: number;
  floors?: TrustRoot['floors'];
  /** A head from which devices begin again; null takes a former one out. */
  restart?: NonNullable<TrustRoot['restart']> | null;
}

/**
 * @returns version N+1, not signed yet
 * @throws Refusal NOT_FOUND for a kid that the root does not list; EXISTS; UNKNOWN_KEY for an issued key without its centre
 */
export function planNextRoot(verifier: Keyed, current: TrustRoot, change: RootChange): TrustRoot {
  const { sha256 } = verifier;
  const kidsOf = (key: PublicKey) => hex(kidOf(sha256, key));
  const removed = new Set(change.remove);
  const listed = ROLES.flatMap((role) => keysOf(verifier, current, role));
  const known = new Set([...listed.map(kidsOf), ...centreKids(sha256, current)]);
  for (const kid of [...(change.revoke ?? []).map((item) => item.kid), ...removed])
    demand(known.has(kid), 'NOT_FOUND', `trust root ${current.version} has no key ${kid}`);
  for (const { key } of change.add ?? [])
    demand(!listed.some((known) => equal(known.bytes, key.bytes)), 'EXISTS', `key ${kidsOf(key)} is listed already`);
  const implicit = nextImplicit(sha256, current, change);
  const roles = Object.fromEntries(
    ROLES.map((role) => {
      const { threshold, keys } = current.roles[role];
      const added = (change.add ?? []).filter((item) => item.role === role).map(({ key }) => key);
      const stay = keys.filter((key) => !removed.has(kidsOf(key)));
      return [
        role,
        { threshold: change.thresholds?.[role] ?? threshold, keys: [...stay, ...added], implicit: implicit.of(role) },
      ];
    }),
  ) as TrustRoot['roles'];
  const { restart: former, implicit: _former, ...rest } = current;
  const restart = change.restart === undefined ? former : change.restart;
  return {
    ...rest,
    version: current.version + 1,
    roles,
    headAgeMax: change.headAgeMax ?? current.headAgeMax,
    ...(restart ? { restart } : {}),
    floors: change.floors ?? current.floors,
    revocations: revocationsOf(sha256, current, [...printsOf(sha256, roles), ...implicit.centres], change.revoke ?? []),
    ...(implicit.value === undefined ? {} : { implicit: implicit.value }),
  };
}

/** Thumbprints of all keys that stand under the roles. */
function printsOf(sha256: Sha256, roles: TrustRoot['roles']): Uint8Array[] {
  return ROLES.flatMap((role) => [...roles[role].keys.map((key) => thumbprint(sha256, key)), ...roles[role].implicit]);
}

/**
 * Former ones, but of keys that were taken out, and new ones; a key that is revoked already keeps its earlier place.
 * @param stay thumbprints of the keys and centres that the next root lists
 */
function revocationsOf(
  sha256: Sha256,
  current: TrustRoot,
  stay: readonly Uint8Array[],
  revoke: readonly { kid: string; logSize: number }[],
): Revocation[] {
  const staying = new Set(stay.map(hex));
  const places = new Map(current.revocations.map((item) => [hex(item.thumbprint), item]));
  for (const print of [...printsOf(sha256, current.roles), ...centrePrints(sha256, current)])
    if (!staying.has(hex(print))) places.delete(hex(print));
  for (const print of stay) {
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
 * Replaces every active key of a role, or some of them, by new ones. A collection key's releases stay valid, so it stays listed and is
 * revoked from this log size on; a stolen key likewise, from where the theft may have begun. Another key is taken out:
 * what it signed is signed again.
 * @param replaced those that go; the others of the role stay as they are
 */
export function rotation(
  verifier: Keyed,
  current: TrustRoot,
  role: Role,
  keys: readonly PublicKey[],
  logSize: number,
  stolen = false,
  replaced: readonly PublicKey[] = activeKeys(verifier, current, role),
): RootChange {
  const { sha256 } = verifier;
  const active = replaced.map((key) => hex(kidOf(sha256, key)));
  const revoked = role === 'collection' || stolen ? active : [];
  return {
    add: keys.map((key) => ({ role, key })),
    revoke: revoked.map((kid) => ({ kid, logSize })),
    remove: revoked.length > 0 ? [] : active,
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
