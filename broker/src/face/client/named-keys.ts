/** Keys that trust roots name, and those of key generation centres that are on the record and no root names. */
import {
  hex,
  IMPLICIT_ROLES,
  implicitKeysOf,
  implicitThumbprint,
  KID_BYTES,
  ROLES,
  type Sha256,
  type TrustRoot,
  thumbprint,
} from '@countersign/device-sdk/format';
import type { IssuedKeyView } from '../../ledger/contract/views.ts';
import type { Finding } from './key-row.ts';

type Named = Pick<Finding, 'kind' | 'name' | 'key' | 'issued'> & { thumbprint: string };

/** @param roots in order. @throws Refusal BAD_ROOT for implicit keys that are none */
export function rootFindings(sha256: Sha256, roots: readonly TrustRoot[]): Finding[] {
  const found = new Map<string, Named & { from: number; to: number }>();
  for (const root of roots) {
    for (const one of namedBy(sha256, root)) {
      const { from } = found.get(one.thumbprint) ?? { from: root.version };
      found.set(one.thumbprint, { ...one, from, to: root.version });
    }
  }
  const newest = roots.at(-1);
  const revoked = new Set(newest?.revocations.map((one) => hex(one.thumbprint)));
  return [...found.values()].map(({ from, to, ...finding }) => ({
    ...finding,
    state: revoked.has(finding.thumbprint) ? 'revoked' : to === newest!.version ? 'active' : 'retired',
    namedBy: from === to ? `trust root ${from}` : `trust roots ${from} to ${to}`,
  }));
}

/** Issued keys with their identity, and the centres that issued them. */
function namedBy(sha256: Sha256, root: TrustRoot): Named[] {
  const { centres, keys } = implicitKeysOf(sha256, root);
  const identities = new Map(keys.map((key) => [hex(implicitThumbprint(sha256, key)), key]));
  const ofRoles = ROLES.flatMap((kind) => {
    const { keys: own, implicit } = root.roles[kind];
    const made = own.map((key): Named => ({ kind, name: null, key, thumbprint: hex(thumbprint(sha256, key)) }));
    const issued = implicit.map(hex).map((print): Named => {
      const identity = identities.get(print);
      // Without the last element of the root a thumbprint may be listed, and verifies nothing.
      if (!identity) return { kind, name: null, thumbprint: print };
      const { name, epoch, centre } = identity;
      return { kind, name, thumbprint: print, issued: { epoch, centre: hex(centre.slice(0, KID_BYTES)) } };
    });
    return [...made, ...issued];
  });
  const pinned = centres.map(
    (key): Named => ({ kind: 'kgc', name: null, key, thumbprint: hex(thumbprint(sha256, key)) }),
  );
  return [...ofRoles, ...pinned];
}

/** @param named what trust roots say: a key that stands there is known already */
export function recordFindings(
  named: readonly Finding[],
  onRecord: readonly Omit<IssuedKeyView, 'previous'>[],
): Finding[] {
  const known = new Set(named.map((one) => one.thumbprint));
  return onRecord.flatMap(({ role, name, epoch, points, convicted }) => {
    const kind = IMPLICIT_ROLES.find((item) => item === role);
    if (!kind) return [];
    return points
      .filter((point) => !known.has(point.thumbprint))
      .map(
        ({ thumbprint: print, centre }): Finding => ({
          ...{ kind, name, thumbprint: print, state: 'next' },
          issued: { epoch, centre: centre.slice(0, 2 * KID_BYTES) },
          namedBy: convicted ? 'ledger: issued, one of two points' : 'ledger: issued',
        }),
      );
  });
}
