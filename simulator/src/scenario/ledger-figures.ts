/** What the ledger amounts to at the end, checked against what was pinned at the start. */

import type { HeadView } from '@countersign/broker/face/api/views';
import type { Session } from '@countersign/broker/face/client/session';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { codeOf } from '@countersign/device-sdk';
import { type Head, readHead, unhex } from '@countersign/device-sdk/format';
import { checkGrowth, openRoot, verifyHead } from '@countersign/device-sdk/verify';
import type { FleetOutcome } from '../report/outcome.ts';

/** Kept since before the fleet was switched on: a ledger that is rewritten meanwhile contradicts it. */
export interface Anchor {
  /** Trust root 1 as the factory has it. */
  trust: Uint8Array;
  view: HeadView;
}

export async function pinHead({ api }: Session, trust: Uint8Array): Promise<Anchor> {
  return { trust, view: (await api.get('/api/v1/head')) as HeadView };
}

/** @param data the server's folder where it can be read: then everything is verified again, else head and growth alone */
export async function ledgerFigures(
  session: Session,
  anchor: Anchor,
  data: string | undefined,
): Promise<FleetOutcome['ledger']> {
  if (data === undefined) return fromOutside(session, anchor);
  const audit = await auditFolder(data, { trust: anchor.trust, head: unhex(anchor.view.signed)! });
  const { entries, blocks, root } = audit;
  return { entries, blocks, root, verified: audit.ok && audit.anchored };
}

async function fromOutside({ api, verifier }: Session, anchor: Anchor): Promise<FleetOutcome['ledger']> {
  const view = (await api.get('/api/v1/head')) as HeadView;
  const last = { from: String(view.size - 1), wait: '0' };
  const { events } = (await api.get('/api/v1/ledger/follow', last)) as { events: { blockNumber: number }[] };
  const path = { from: String(anchor.view.size), to: String(view.size) };
  const answer = (await api.get('/api/v1/ledger/consistency', path)) as { path: string[] };
  const figures = { entries: view.size, blocks: (events[0]?.blockNumber ?? -1) + 1, root: view.root };
  try {
    const { root } = openRoot(verifier, anchor.trust);
    const check = (item: HeadView): Head =>
      verifyHead(verifier, root, readHead(unhex(item.signed)!), unhex(item.root)!);
    checkGrowth(
      verifier,
      check(anchor.view),
      check(view),
      answer.path.map((hash) => unhex(hash)!),
    );
    return { ...figures, verified: true };
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    return { ...figures, verified: false };
  }
}
