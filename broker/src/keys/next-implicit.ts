/** The element of implicit keys in the next trust root: centres and (identity, point) pairs that come and go. */
import { demand } from '@countersign/device-sdk';
import {
  hex,
  type ImplicitKey,
  implicitKeysOf,
  implicitKeysValue,
  implicitThumbprint,
  KID_BYTES,
  type PublicKey,
  ROLES,
  type Role,
  type Sha256,
  type TrustRoot,
  thumbprint,
  type Value,
} from '@countersign/device-sdk/format';

export interface ImplicitChange {
  issued?: readonly ImplicitKey[];
  centres?: readonly PublicKey[];
  remove?: readonly string[];
}

export interface NextImplicit {
  /** Thumbprints that stand under a role. */
  of(role: Role): Uint8Array[];
  /** Thumbprints of the centres that stay or come. */
  centres: Uint8Array[];
  /** The last element of the root; undefined where nothing is left of it. */
  value: Value | undefined;
}

/** Thumbprints of the centres that a root pins. */
export function centrePrints(sha256: Sha256, root: TrustRoot): Uint8Array[] {
  return implicitKeysOf(sha256, root).centres.map((centre) => thumbprint(sha256, centre));
}

export function centreKids(sha256: Sha256, root: TrustRoot): string[] {
  return centrePrints(sha256, root).map(kidIn);
}

/**
 * @throws Refusal EXISTS for a key or centre that is listed; UNKNOWN_KEY for a key whose centre the next root does not
 * pin, and so for a centre that is taken out before its keys
 */
export function nextImplicit(sha256: Sha256, current: TrustRoot, change: ImplicitChange): NextImplicit {
  const before = implicitKeysOf(sha256, current);
  const removed = new Set(change.remove);
  const named = (key: ImplicitKey) => ({ key, print: implicitThumbprint(sha256, key) });
  const come = (change.issued ?? []).map(named);
  const were = before.keys.map(named);
  for (const { key, print } of come) {
    const listed = were.some((item) => hex(item.print) === hex(print));
    demand(!listed, 'EXISTS', `the key of ${key.role} ${key.name}, epoch ${key.epoch} is listed already`);
  }
  const all = [...were.filter(({ print }) => !removed.has(kidIn(print))), ...come];
  const prints = (centre: PublicKey) => thumbprint(sha256, centre);
  const pinned = new Set(centrePrints(sha256, current).map(hex));
  for (const centre of change.centres ?? [])
    demand(!pinned.has(hex(prints(centre))), 'EXISTS', 'this key generation centre is pinned already');
  const stay = before.centres.filter((centre) => !removed.has(kidIn(prints(centre))));
  const centres = [...stay, ...(change.centres ?? [])];
  const known = new Set(centres.map((centre) => hex(prints(centre))));
  for (const { key } of all)
    demand(
      known.has(hex(key.centre)),
      'UNKNOWN_KEY',
      `no centre of ${key.role} ${key.name}, epoch ${key.epoch} is pinned`,
    );
  const of = (role: Role) => all.filter(({ key }) => key.role === role);
  // Each key stands where its role lists it: the one order that readers accept.
  const keys = ROLES.flatMap((role) => of(role).map(({ key }) => key));
  return {
    of: (role) =>
      current.implicit === undefined && come.length === 0
        ? current.roles[role].implicit
        : of(role).map(({ print }) => print),
    centres: centres.map(prints),
    value: centres.length === 0 ? undefined : implicitKeysValue({ centres, keys }),
  };
}

/** The key id is the beginning of the thumbprint. */
function kidIn(print: Uint8Array): string {
  return hex(print.slice(0, KID_BYTES));
}
