import type { LedgerClient } from '@countersign/broker/ledger/client';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { type LedgerRecord, type LoggedReport, readReport } from '../oracle/record.ts';

const PAGE = 1_000;

/** What the ledger of this process says, read by the judge's own decoder. */
export async function readVirtualRecord(ledger: LedgerClient, classId: string): Promise<LedgerRecord> {
  const releases = (await ledger.evaluate('listReleases', classId)) as ReleaseView[];
  const { head } = await ledger.head();
  const reports: LoggedReport[] = [];
  for (let at = 0; at < head.size; ) {
    const page = await ledger.entries(at, PAGE);
    for (const [i, bytes] of page.entries()) {
      const report = readReport(bytes, at + i);
      if (report) reports.push(report);
    }
    at += page.length;
  }
  return { releases, reports, entries: head.size };
}
