/** What the ledger's server shows to auditors. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { auditKeys } from '../../ledger/c2sp/trust.ts';
import { witnessed } from '../../ledger/c2sp/witnessed.ts';
import type { EmbeddedLedger } from '../../ledger/embedded/source.ts';
import { auditorRoutes } from '../api/auditor-routes.ts';
import type { ApiPart, Closers } from './parts.ts';

/** As many peers as a trust root can name: signatures of others are of no use. */
const WITNESSES_MAX = 16;

export interface WitnessOptions {
  /** Where peers answer the witness protocol (`https://peer-1.example.com/witness`): asked to cosign checkpoints. */
  witnesses?: readonly string[] | undefined;
}

/** @throws Refusal BAD_REQUEST */
export function auditorsOf(
  ledger: EmbeddedLedger,
  { witnesses: urls = [] }: WitnessOptions,
  verifier: Verifier,
  closers: Closers,
): ApiPart['routes'][number] {
  if (urls.length === 0) return auditorRoutes(ledger);
  demand(urls.length <= WITNESSES_MAX, 'BAD_REQUEST', `at most ${WITNESSES_MAX} witnesses`);
  for (const url of urls) {
    const good = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    demand(good, 'BAD_REQUEST', `${url.slice(0, 200)} is no http address of a witness`);
  }
  const log = witnessed(ledger, {
    ...{ verifier, urls, consistency: (from, to) => ledger.consistency(from, to) },
    keys: () => auditKeys(verifier.sha256, ledger.inside.standing.point.root!).peers,
  });
  closers.add(() => log.close());
  return auditorRoutes(log);
}
