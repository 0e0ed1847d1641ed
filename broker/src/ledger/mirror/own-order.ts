/**
 * The order as a peer's own node of the outside engine has it. A peer copies blocks from whoever holds the log key, and
 * cosigns a head only when every leaf under it stands in its own node, in the same place.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, Refusal } from '@countersign/device-sdk';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { Feed } from './feed.ts';
import type { FollowedSource } from './order.ts';
import { Outage } from './outage.ts';

/** Beside the copy's block files. */
const MARK_FILE = 'own-order.json';
/** An own node that does not answer is asked again after this time. */
const RETRY_MS = 2_000;
/** The copy is looked at again after this time at the latest, so that closing is never held up for longer. */
const WAIT_MS_MAX = 1_000;

export interface OwnOrder {
  /** Why a head of this size is not to be signed, or undefined where every leaf under it is confirmed. */
  objection(size: number): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Opens the order for a copy. @param changed told whenever more entries are confirmed, or none will be */
export type OpenOwnOrder = (ledger: EmbeddedLedger, folder: string, changed: () => void) => OwnOrder;

export function ownOrder(
  source: FollowedSource,
  ledger: EmbeddedLedger,
  folder: string,
  changed: () => void,
  tell: (text: string) => void = () => undefined,
): OwnOrder {
  const closing = new AbortController();
  const outage = new Outage((text) => tell(`the own node: ${text}`));
  let failure: Refusal | undefined;
  const feed = new Feed(
    {
      events: (from, count) => ledger.events(from, count),
      head: () => ledger.head(),
      grown: async (size) => {
        changed();
        closing.signal.throwIfAborted();
        await ledger.beyond(size, WAIT_MS_MAX);
      },
    },
    join(folder, MARK_FILE),
  );
  const running = follow(source, feed, { closing: closing.signal, changed, outage }).catch((error) => {
    if (closing.signal.aborted) return;
    failure = error instanceof Refusal ? error : new Refusal('INTERNAL', String(error), { cause: error });
    changed();
  });
  return {
    async objection(size) {
      if (failure) return `${failure.code}: ${failure.message}`;
      const confirmed = await feed.confirmed();
      if (confirmed >= size) return undefined;
      const why = outage.trouble ? `: ${outage.trouble.text}` : '';
      return `the own node has ${confirmed} of ${size} entries so far${why}`;
    },
    async close() {
      closing.abort();
      await source.close();
      await running;
    },
  };
}

async function follow(
  source: FollowedSource,
  feed: Feed,
  { closing, changed, outage }: { closing: AbortSignal; changed: () => void; outage: Outage },
): Promise<void> {
  let after = await feed.start();
  // What was compared before the restart is confirmed, though no block may come for a long time.
  changed();
  while (!closing.aborted) {
    try {
      await new Promise<void>((_, failed) => {
        const take = async (block: Parameters<Feed['take']>[0]) => {
          await feed.take(block);
          changed();
        };
        source
          .follow(after, take, failed, (trouble) => outage.heard(trouble))
          .then(({ stop }) => {
            outage.heard();
            closing.addEventListener('abort', () => {
              stop();
              failed(closing.reason);
            });
          }, failed);
      });
    } catch (error) {
      if (codeOf(error) !== 'UNREACHABLE') throw error;
      outage.heard(error);
      await pause(RETRY_MS, undefined, { signal: closing }).catch(() => undefined);
      after = feed.after;
    }
  }
}
