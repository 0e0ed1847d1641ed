/** Writer and reader behind the one interface of a ledger. */

import type { Head } from '@countersign/device-sdk/format';
import type { QueueState } from '../../queue-state.ts';
import type { AuditedLog } from '../c2sp/audited-log.ts';
import type { Checkpoints } from '../c2sp/checkpoints.ts';
import type { Committed, LedgerSource, QueryName } from '../client.ts';
import { followWith } from '../follow.ts';
import type { Reader } from './reader.ts';
import type { Recovered } from './recover.ts';
import type { Standing } from './stores.ts';
import type { Appended } from './writer.ts';

export interface EmbeddedLedger extends LedgerSource, AuditedLog {
  /** @param head gives the newest head that may be shown; the stored one where not given */
  checkpoint(head?: () => Head): Promise<Uint8Array>;
  /** Writes entries whose order is decided elsewhere: all in this order, or those before the first that is refused. */
  append(statements: readonly Uint8Array[]): Promise<Appended>;
  /** Signs the head again with a later time. The engine does it by itself; tests and operators may. */
  refreshHead(): Promise<void>;
  /** What waits to be written; absent for a copy, which writes what others decided. */
  queue?(): QueueState;
  /** What opening did beyond reading. */
  readonly mended: Recovered['mended'];
  /** For those who cosign, copy or mirror this ledger. */
  readonly inside: Inside;
}

/** What lies behind the answers: the chain as it stands, its reader, and when it moves. */
export interface Inside {
  readonly standing: Standing;
  readonly reader: Reader;
  /** Calls back after every new block and every head that was signed anew. */
  onMove(call: () => void): void;
}

/** What takes statements: a writer, or a copy that refuses them. */
export interface Intake {
  submit(statement: Uint8Array): Promise<Committed>;
  append(statements: readonly Uint8Array[]): Promise<Appended>;
  refreshHead(): Promise<void>;
  queue?(): QueueState;
}

export function ledgerSource(
  writer: Intake & Standing,
  reader: Reader,
  growth: Growth,
  checkpoints: Pick<Checkpoints, 'newest'>,
  mended: Recovered['mended'],
  close: () => Promise<void>,
): EmbeddedLedger {
  let closing: Promise<void> | undefined;
  const followers = new Set<{ stop(): void }>();
  const sizeNow = () => writer.head.head.size;
  const more = (seen: number) => growth.beyond(seen, sizeNow);
  return {
    mended,
    inside: { standing: writer, reader, onMove: (call) => growth.onMove(call) },
    origin: writer.point.root!.origin,
    submit: (statement: Uint8Array): Promise<Committed> => writer.submit(statement),
    append: (statements) => writer.append(statements),
    evaluate: (query: QueryName, ...args: string[]) => reader.evaluate(query, args),
    head: async () => reader.head(),
    receipt: async (leafHash) => reader.receipt(leafHash),
    announcementProof: (classId) => reader.announcementProof(classId),
    consistency: async (from, to) => reader.consistency(from, to),
    entries: (from, count) => reader.entries(from, count),
    events: (from, count) => reader.events(from, count),
    beyond: (size, ms) => growth.beyond(size, sizeNow, ms),
    entry: (leafHash) => reader.entry(leafHash),
    checkpoint: (head) => checkpoints.newest(head),
    hashes: (level, n, width) => reader.hashes(level, n, width),
    entryBytes: (from, count) => reader.entryBytes(from, count),
    inclusion: (leafHash, size) => reader.inclusion(leafHash, size),
    roots: (from) => reader.roots(from),
    follow(from, call, failed) {
      const follower = followWith(from, (at, count) => reader.events(at, count), more, call, failed);
      followers.add(follower);
      return follower;
    },
    refreshHead: () => writer.refreshHead(),
    ...(writer.queue && { queue: () => writer.queue!() }),
    close() {
      for (const follower of followers) follower.stop();
      closing ??= close();
      return closing;
    },
  };
}

/** Wakes whoever waits for the next block. */
export class Growth {
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<() => void>();
  #ended = false;

  /** @param ms wait at most so long; without it as long as the ledger is open */
  async beyond(size: number, sizeNow: () => number, ms?: number): Promise<void> {
    await this.until(() => sizeNow() > size, ms);
  }

  /** Resolves when this holds, after `ms` milliseconds, or at the end. */
  async until(holds: () => boolean, ms?: number): Promise<void> {
    if (holds() || this.#ended) return;
    let timer: NodeJS.Timeout | undefined;
    let wake = () => {};
    await new Promise<void>((resolve) => {
      wake = () => {
        if (holds() || this.#ended) resolve();
      };
      this.#waiting.add(wake);
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#waiting.delete(wake);
  }

  onMove(call: () => void): void {
    this.#listeners.add(call);
  }

  tell(): void {
    for (const call of this.#listeners) call();
    for (const wake of [...this.#waiting]) wake();
  }

  end(): void {
    this.#ended = true;
    this.tell();
  }
}
