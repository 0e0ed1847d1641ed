/** What goes to the ledger of a release that is not taken, once; and what could not go there before. */
import { type Code, Refusal } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { addTold } from '../store/state.ts';
import type { Proven } from '../verify/types.ts';
import { isFull, makeReport, type ReportPorts } from './reports.ts';
import type { Resender } from './resender.ts';

export interface ReporterPorts extends ReportPorts {
  resender: Resender;
}

/** Refusals after full verification that are a result and go to the ledger, once per release, rollout and code. */
const TOLD: ReadonlySet<Code> = new Set([
  'NO_SPACE',
  'NO_MEMORY',
  'FAILED_BEFORE',
  'FREEZE',
  'CAP_REACHED',
  'WRONG_COMPONENTS',
]);

export class Reporter {
  readonly #p: ReporterPorts;
  /** The head that was found stale. It is an alarm only where asking again brings no other. */
  #frozen: Uint8Array | undefined;

  constructor(ports: ReporterPorts) {
    this.#p = ports;
  }

  /**
   * Runs a check; a refusal of it that is a result goes to the ledger before it goes on.
   * @param failure what made the last branch fail, the reason behind a FAILED_BEFORE
   */
  async telling<T>(proven: Proven, check: () => T | Promise<T>, failure?: Code): Promise<T> {
    try {
      return await check();
    } catch (error) {
      if (error instanceof Refusal && TOLD.has(error.code)) {
        this.#p.store.demandOpen();
        await this.#refused(proven, error.code === 'FAILED_BEFORE' ? (failure ?? error.code) : error.code);
      }
      throw error;
    }
  }

  /** What met a full outbox is reported when there is room. */
  async missed(): Promise<void> {
    const { store } = this.#p;
    const { missed } = store.state;
    if (store.closed || !missed || isFull(store.state)) return;
    store.commit(await makeReport(this.#p, missed));
    this.#p.resender.now();
  }

  /** One report per release, rollout and code: a re-issued announcement must not make the fleet report again. */
  async #refused(proven: Proven, code: Code): Promise<void> {
    const { manifestDigest } = proven.envelope;
    const { rolloutId } = proven.rollout;
    // What is stale may only have crossed with a newer one: it is an alarm when asking again brings the same.
    if (code === 'FREEZE' && !this.#isFrozen(proven)) return;
    const { store, resender } = this.#p;
    const about = store.state.told.filter(
      (item) => equal(item.manifestDigest, manifestDigest) && equal(item.rolloutId, rolloutId),
    );
    // What failed before was reported when it failed, unless that was in another rollout or power went before the report.
    if (about.some((item) => (code === 'FAILED_BEFORE' ? item.code !== 'FREEZE' : item.code === code))) return;
    const report = await makeReport(this.#p, {
      kind: 'refused',
      code,
      rolloutId,
      attempt: 0,
      manifestDigest,
      stages: [['verify', code]],
    });
    store.commit({ told: addTold(store.state.told, { manifestDigest, rolloutId, code }), ...report });
    resender.now();
  }

  #isFrozen({ headDigest }: Proven): boolean {
    const again = this.#frozen !== undefined && equal(this.#frozen, headDigest);
    this.#frozen = headDigest;
    return again;
  }
}
