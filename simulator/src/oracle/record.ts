/** What the ledger says, fetched from a server entry by entry and read with the judge's own eyes. */

import type { Session } from '@countersign/broker/face/client/session';
import { Chronicle } from './chronicle.ts';

const PAGE = 1_000;

/** @throws Refusal UNREACHABLE */
export async function readRecord({ api }: Session): Promise<Chronicle> {
  const chronicle = new Chronicle();
  for (;;) {
    const query = { from: String(chronicle.entries), count: String(PAGE) };
    const page = await api.get('/api/v1/ledger/entries', query);
    const list = (page as { entries: string[] }).entries;
    for (const text of list) chronicle.add(new Uint8Array(Buffer.from(text, 'hex')));
    if (list.length === 0) return chronicle;
  }
}
