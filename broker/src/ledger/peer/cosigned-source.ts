/**
 * A ledger as everybody is shown it: no further than the quorum has signed. Whoever reads here never hears of an entry
 * before the head over it is cosigned, so nothing has to be taken back when a peer objects. With quorum 0 it is the
 * ledger itself.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import type { LedgerHead, LedgerSource } from '../client.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { followWith } from '../follow.ts';
import type { Published } from './collected-head.ts';
import type { CosignedHeads } from './cosigned-heads.ts';

/** Peers sign within a second of a block; far below the 30 seconds after which an HTTP client gives up. */
export const QUORUM_MS_MAX = 10_000;

/** Writing, queries and single entries go to the ledger: they carry no promise of a head. */
export function cosignedSource(ledger: EmbeddedLedger, heads: CosignedHeads): LedgerSource {
  const { reader } = ledger.inside;
  const followers = new Set<{ stop(): void }>();
  const beyond = (size: number, ms?: number) => heads.until(() => heads.size > size, ms);

  return {
    submit: (statement) => ledger.submit(statement),
    evaluate: (query, ...args) => ledger.evaluate(query, ...args),
    entries: (from, count) => ledger.entries(from, count),
    entry: (leafHash) => ledger.entry(leafHash),
    roots: (from) => ledger.roots(from),
    consistency: (from, to) => ledger.consistency(from, to),
    head: async () => headOf(heads.published()),
    async receipt(leafHash) {
      await covered(leafHash);
      const published = heads.published();
      return { receipt: reader.receipt(leafHash, published).receipt, head: headOf(published) };
    },
    async announcementProof(classId) {
      const published = heads.published();
      const { index, statements } = published;
      // After a restart the index of an older head is not known; the next head with a quorum brings one.
      demand(index && statements, 'NO_QUORUM', 'the class index has changed since the head that the peers cosigned');
      const under = { ...ledger.inside.standing.head, ...published, index, statements };
      return { ...(await reader.announcementProof(classId, under)), head: headOf(published) };
    },
    async events(from, count) {
      const most = Math.min(count, heads.size - from);
      return most < 1 ? [] : ledger.events(from, most);
    },
    beyond,
    follow(from, call, failed) {
      const fetch = async (at: number, count: number) => {
        const most = Math.min(count, heads.size - at);
        return most < 1 ? [] : ledger.events(at, most);
      };
      const follower = followWith(from, fetch, (seen) => beyond(seen), call, failed);
      followers.add(follower);
      return follower;
    },
    async close() {
      for (const follower of followers) follower.stop();
      heads.end();
    },
  };

  /** What was just logged is cosigned a moment later; whoever asks for it waits so long. */
  async function covered(leafHash: Uint8Array): Promise<void> {
    const { leafIndex } = reader.place(leafHash);
    await beyond(leafIndex, QUORUM_MS_MAX);
    if (heads.size > leafIndex) return;
    throw new Refusal('NO_QUORUM', `entry ${hex(leafHash)} is logged; the peers have cosigned ${heads.size} entries`);
  }
}

function headOf({ head, signed, cosignatures }: Published): LedgerHead {
  return { head, signed, cosignatures };
}
