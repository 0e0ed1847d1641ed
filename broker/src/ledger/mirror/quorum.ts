/** Nobody mirrors alone. */
import { demand } from '@countersign/device-sdk';
import type { TrustRoot } from '@countersign/device-sdk/format';
import type { EmbeddedLedger } from '../embedded/source.ts';

/**
 * With nobody to cosign, devices would believe whoever holds the log key, and the organisations that decide the order
 * together would have decided for nothing.
 * @throws Refusal NO_QUORUM where the newest trust root demands no peer
 */
export function checkQuorum(ledger: EmbeddedLedger): void {
  demandQuorum(ledger.inside.standing.point.root!);
}

/** @throws Refusal NO_QUORUM */
export function demandQuorum({ roles, version }: TrustRoot): void {
  const { threshold } = roles.peer;
  demand(
    threshold >= 1,
    'NO_QUORUM',
    `a mirrored ledger needs a quorum of at least 1 peer; trust root ${version} demands 0`,
  );
}
