/** What the ledger's server shows to auditors. */
import { demand, type Verifier } from '@countersign/device-sdk';
import type { Head } from '@countersign/device-sdk/format';
import type { AuditedLog } from '../../ledger/c2sp/audited-log.ts';
import { levelWidth } from '../../ledger/c2sp/tile-path.ts';
import { auditKeys } from '../../ledger/c2sp/trust.ts';
import { witnessed } from '../../ledger/c2sp/witnessed.ts';
import type { EmbeddedLedger } from '../../ledger/embedded/source.ts';
import { TILE_WIDTH } from '../../ledger/log/tiles.ts';
import { auditorRoutes } from '../api/auditor-routes.ts';
import type { ApiPart, Closers } from './parts.ts';

/** As many peers as a trust root can name: signatures of others are of no use. */
const WITNESSES_MAX = 16;

export interface WitnessOptions {
  /** Where peers answer the witness protocol (`https://peer-1.example.com/witness`): asked to cosign checkpoints. */
  witnesses?: readonly string[] | undefined;
}

/** As far as the quorum has signed; see `cosignedSource`. */
export interface PublishedHeads {
  /** @throws Refusal NO_QUORUM while there is none */
  published(): { head: Head };
  readonly size: number;
}

/** @throws Refusal BAD_REQUEST */
export function auditorsOf(
  ledger: EmbeddedLedger,
  heads: PublishedHeads,
  { witnesses: urls = [] }: WitnessOptions,
  verifier: Verifier,
  closers: Closers,
): ApiPart['routes'][number] {
  const shown = publishedLog(ledger, heads);
  if (urls.length === 0) return auditorRoutes(shown);
  demand(urls.length <= WITNESSES_MAX, 'BAD_REQUEST', `at most ${WITNESSES_MAX} witnesses`);
  for (const url of urls) {
    const good = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
    demand(good, 'BAD_REQUEST', `${url.slice(0, 200)} is no http address of a witness`);
  }
  const log = witnessed(shown, {
    ...{ verifier, urls, consistency: (from, to) => ledger.consistency(from, to) },
    keys: () => auditKeys(verifier.sha256, ledger.inside.standing.point.root!).peers,
  });
  closers.add(() => log.close());
  return auditorRoutes(log);
}

/**
 * Nothing beyond the head that the quorum has signed. What no peer has may be lost with this machine, and the log would
 * grow another way: a checkpoint of it would then be one of two that contradict each other.
 */
function publishedLog(ledger: EmbeddedLedger, heads: PublishedHeads): AuditedLog {
  const inside = (reached: number, wanted: number) =>
    demand(wanted <= reached, 'NOT_FOUND', `the head that is shown reaches ${reached}, not ${wanted}`);
  return {
    origin: ledger.origin,
    checkpoint: () => ledger.checkpoint(() => heads.published().head),
    hashes(level, n, width) {
      inside(levelWidth(heads.size, level), n * TILE_WIDTH + width);
      return ledger.hashes(level, n, width);
    },
    async entryBytes(from, count) {
      inside(heads.size, from + count);
      return ledger.entryBytes(from, count);
    },
    inclusion: ledger.inclusion,
  };
}
