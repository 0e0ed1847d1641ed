/**
 * Server-sent events (WHATWG HTML, section 9.2): each entry of the ledger is one event whose id is its position, so who
 * comes again with Last-Event-ID misses none and hears none twice. What is only a state of the moment (head, progress,
 * alarm) has no id and is not sent again.
 */
import type { ServerResponse } from 'node:http';
import { hex } from '@countersign/device-sdk/format';
import type { LedgerClient, LedgerEvent, LedgerSource } from '../../ledger/client.ts';
import type { ReleaseView, RolloutView } from '../../ledger/contract/views.ts';
import { followWith } from '../../ledger/follow.ts';
import { type Fact, factOf } from './facts.ts';

export interface StreamLimits {
  /** A comment goes out this often: proxies cut what is silent for 30 seconds and more. */
  heartbeatMs: number;
  /** How often head and progress are sent at most, whatever the ledger does. */
  tickMs: number;
  /** Who has not taken what was sent for this long is cut off, and comes again from his last position. */
  drainMs: number;
  /** After this a stream ends, and who comes again is let in anew, with whatever changed meanwhile. */
  lifeMs: number;
}

export const STREAM_LIMITS: Readonly<StreamLimits> = {
  heartbeatMs: 15_000,
  tickMs: 1_000,
  drainMs: 10_000,
  lifeMs: 900_000,
};
/** Unsent bytes at which a stream is cut off even before that time: alarms are not waited for. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** Rollouts of which progress is sent at once; the others follow with the next tick. */
const PROGRESS_MAX = 16;
/** A follower that was left ends at the latest after this. */
const WAIT_MS = 15_000;

export class EventStream {
  readonly #out: ServerResponse;
  readonly #ledger: LedgerClient;
  readonly #limits: Readonly<StreamLimits>;
  readonly #stays: () => Promise<boolean>;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #touched = new Set<string>();
  #following: { stop(): void } | undefined;
  #grown = true;
  #ticking = false;

  /**
   * @param out whose headers have been written
   * @param stays whether who listens may still do so: asked with every heartbeat, and where an entry may have ended it
   */
  constructor(
    out: ServerResponse,
    ledger: LedgerClient,
    limits: Readonly<StreamLimits> = STREAM_LIMITS,
    stays: () => Promise<boolean> = async () => true,
  ) {
    this.#out = out;
    this.#ledger = ledger;
    this.#limits = limits;
    this.#stays = stays;
  }

  /** @param from the first position that is wanted */
  begin(from: number): void {
    const { heartbeatMs, tickMs, lifeMs } = this.#limits;
    this.#out.once('close', () => this.end());
    this.#out.on('error', () => this.end());
    this.#out.write('retry: 2000\n\n');
    // Who is cut off before the first entry knows where to begin again.
    this.tell('begin', { from });
    this.#timers.push(setInterval(() => void this.#beat(), heartbeatMs));
    this.#timers.push(setInterval(() => void this.#tick(), tickMs));
    this.#timers.push(setTimeout(() => this.end(), lifeMs));
    this.#following = follow(
      this.#ledger,
      from,
      (event) => this.#entry(event),
      () => this.end(),
    );
    void this.#tick();
  }

  /** Of the moment, to whoever is here. */
  tell(event: string, data: object): void {
    this.#now(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.#following?.stop();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#out.destroy();
  }

  async #beat(): Promise<void> {
    if (await this.#admitted()) this.#now(':\n\n');
  }

  /** Ends the stream where that is over. A ledger that does not answer now says nothing about it. */
  async #admitted(): Promise<boolean> {
    const stays = await this.#stays().catch(() => true);
    if (!stays) this.end();
    return stays;
  }

  async #entry(event: LedgerEvent): Promise<void> {
    const fact = await this.#whole(factOf(event));
    // A person's revocation is an approval, and so is a new person's and a release's.
    if (fact.action === 'approve' && !(await this.#admitted())) return;
    this.#grown = true;
    if (typeof fact.rolloutId === 'string') this.#touched.add(fact.rolloutId);
    this.#out.write(`id: ${fact.leafIndex}\nevent: ${fact.kind}\ndata: ${JSON.stringify(fact)}\n\n`);
    await this.#drained();
  }

  /** Names of a release stand in its manifest, which the ledger knows. */
  async #whole(fact: Fact): Promise<Fact> {
    if (fact.kind !== 'release') return fact;
    const release = (await this.#ledger.evaluate('getRelease', fact.leafHash)) as ReleaseView;
    const { product, version, sequence, classId } = release;
    return { ...fact, product, version, sequence, classId };
  }

  /** The next entry is read when this one has room: a slow reader costs one entry of memory, not the ledger. */
  async #drained(): Promise<void> {
    const out = this.#out;
    if (!out.writableNeedDrain || out.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => out.destroy(), this.#limits.drainMs);
      const over = () => {
        clearTimeout(timer);
        out.off('drain', over).off('close', over);
        resolve();
      };
      out.on('drain', over).on('close', over);
    });
  }

  #now(text: string): void {
    if (this.#out.destroyed) return;
    this.#out.write(text);
    if (this.#out.writableLength > BACKLOG_BYTES_MAX) this.end();
  }

  /** Head and progress, where anything moved since. One who is behind gets them when he has caught up. */
  async #tick(): Promise<void> {
    if (this.#ticking || !this.#grown || this.#out.writableNeedDrain) return;
    this.#ticking = true;
    this.#grown = false;
    try {
      const { head } = await this.#ledger.head();
      this.tell('head', { size: head.size, root: hex(head.root), time: head.time });
      for (const rolloutId of [...this.#touched].slice(0, PROGRESS_MAX)) {
        this.#touched.delete(rolloutId);
        this.tell('progress', await this.#progress(rolloutId));
      }
      this.#grown ||= this.#touched.size > 0;
    } catch {
      // A ledger that does not answer now, or has no quorum yet, is asked again with the next tick.
      this.#grown = true;
    } finally {
      this.#ticking = false;
    }
  }

  async #progress(rolloutId: string): Promise<object> {
    const { state, wave, waves } = (await this.#ledger.evaluate('getRollout', rolloutId)) as RolloutView;
    const totals = (await this.#ledger.evaluate('getTotals', rolloutId)) as object;
    return { ...totals, state, wave, waves: waves.length };
  }
}

/** A ledger in this process is asked with an end to the waiting, so that whoever left is soon forgotten. */
function follow(
  ledger: LedgerClient | LedgerSource,
  from: number,
  call: (event: LedgerEvent) => Promise<void>,
  failed: () => void,
): { stop(): void } {
  if (!('beyond' in ledger)) return ledger.follow(from, call, failed);
  const more = (seen: number) => ledger.beyond(seen, WAIT_MS);
  return followWith(from, (at, count) => ledger.events(at, count), more, call, failed);
}
