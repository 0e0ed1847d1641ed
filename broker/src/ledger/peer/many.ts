/**
 * One ledger at several addresses: its orderer and peers of it. Statements go to the orderer; everything else is asked of
 * whoever answers. Heads and receipts prove themselves, so it does not matter who gives them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, Refusal } from '@countersign/device-sdk';
import type { LedgerClient } from '../client.ts';
import { followWith } from '../follow.ts';
import type { HttpLedger } from '../http-client.ts';

/** One that did not answer is left alone for so long: each question would wait for it again. */
const AWAY_MS = 15_000;
const RETRY_MS = 1_000;
/** Reasons to ask the next one. NO_QUORUM: it may not have heard of the cosignatures that another has. */
const ELSEWHERE = ['UNREACHABLE', 'BUSY', 'NO_QUORUM'];

/**
 * @param ledgers the orderer first
 * @throws Refusal (in every call) as the last one that was asked
 */
export function manyLedgers(ledgers: readonly HttpLedger[]): LedgerClient {
  const [orderer] = ledgers;
  if (!orderer) throw new RangeError('no ledger to ask');
  const awayUntil = new Map<HttpLedger, number>();
  let closed = false;

  return {
    async submit(statement, code) {
      const committed = await orderer.submit(statement, code);
      // It is back. Who writes reads it next, and a peer may not have heard of it yet.
      awayUntil.delete(orderer);
      return committed;
    },
    evaluate: (query, ...args) => ask((ledger) => ledger.evaluate(query, ...args)),
    head: () => ask((ledger) => ledger.head()),
    receipt: (leafHash) => ask((ledger) => ledger.receipt(leafHash)),
    announcementProof: (classId) => ask((ledger) => ledger.announcementProof(classId)),
    consistency: (from, to) => ask((ledger) => ledger.consistency(from, to)),
    entries: (from, count) => ask((ledger) => ledger.entries(from, count)),
    entry: (leafHash) => ask((ledger) => ledger.entry(leafHash)),
    roots: (from) => ask((ledger) => ledger.roots(from)),
    follow: (from, call, failed) => followWith(from, events, async () => undefined, call, failed),
    async close() {
      closed = true;
      for (const ledger of ledgers) await ledger.close();
    },
  };

  async function ask<T>(question: (ledger: HttpLedger) => Promise<T>): Promise<T> {
    const now = performance.now();
    const isAway = (ledger: HttpLedger) => (awayUntil.get(ledger) ?? 0) > now;
    // Those that were away come last, not never.
    const order = [...ledgers.filter((one) => !isAway(one)), ...ledgers.filter(isAway)];
    let last: unknown;
    for (const ledger of order) {
      try {
        return await question(ledger);
      } catch (error) {
        if (!ELSEWHERE.includes(codeOf(error))) throw error;
        if (codeOf(error) !== 'NO_QUORUM') awayUntil.set(ledger, performance.now() + AWAY_MS);
        last = error;
      }
    }
    throw last;
  }

  async function events(from: number) {
    while (!closed) {
      try {
        return await ask((ledger) => ledger.page(from));
      } catch (error) {
        if (!(error instanceof Refusal && ELSEWHERE.includes(error.code))) throw error;
        await pause(RETRY_MS);
      }
    }
    // A closed client has no more events, ever.
    return new Promise<never>(() => {});
  }
}
