/** The peers' signatures under what a server shows: a head that devices will not take is one that nobody should be shown. */
import { Refusal, type Verifier } from '@countersign/device-sdk';
import { type Head, hex, type TrustRoot } from '@countersign/device-sdk/format';
import { checkQuorum } from '@countersign/device-sdk/verify';
import type { LedgerHead } from '../../ledger/client.ts';
import type { Alarm } from './alarm.ts';

/**
 * A ledger shows no head before its quorum has signed it, so one look would be enough. A new trust root may name peers that
 * do not run yet, and peers may be restarted one after another: five minutes are enough for people to start what they
 * meant to.
 */
export const QUORUM_SECONDS_MAX = 300;

/** What was shown without enough signatures. */
export interface Missing {
  error: Refusal;
  shown: Record<string, string | number>;
}

/** Counts as a device does. */
export function quorumOf(
  verifier: Verifier,
  root: TrustRoot,
  head: Head,
  { signed, cosignatures }: LedgerHead,
): Missing | 'had' {
  try {
    checkQuorum(verifier, root, head, cosignatures);
    return 'had';
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { error, shown: { head: hex(signed), root: hex(head.root), size: head.size } };
  }
}

/** @param seconds for which this server has shown no head with a quorum */
export function noQuorum(url: string, { error, shown }: Missing, seconds: number): Alarm | undefined {
  if (seconds < QUORUM_SECONDS_MAX) return undefined;
  const text = `${url} has shown no head with a quorum for ${seconds} seconds: ${error.message}`;
  return { kind: 'no-quorum', code: 'NO_QUORUM', url, text, evidence: shown, id: `no-quorum ${url} ` };
}
