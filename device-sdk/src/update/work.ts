/** One announcement at a time, from its arrival to its end. What arrives meanwhile waits in the mailbox. */
import { type Code, demand, Refusal } from '../errors.ts';
import { RateLimit } from '../fetch/guard.ts';
import { type Letter, Mailbox } from '../fetch/mailbox.ts';
import { ANNOUNCEMENT_BYTES_MAX } from '../format/announcement.ts';
import { Installer, type InstallerPorts } from '../install/installer.ts';
import type { Clock, Entropy, Veto } from '../ports.ts';
import { Reporter } from '../report/reporter.ts';
import type { Resender } from '../report/resender.ts';
import { Beliefs } from './beliefs.ts';
import { Interruption } from './interruption.ts';
import { Turn } from './turn.ts';
import { Update } from './update.ts';

export interface WorkPorts extends InstallerPorts {
  resender: Resender;
  entropy: Entropy;
  clock: Clock;
  offline?: boolean;
  veto?: Veto;
  /** Asks for the announcement again, soon; told of what made that necessary, where something was refused. */
  retry(refusal?: Refusal): void;
  /** An announcement was understood to its end. */
  succeeded(): void;
  refused(refusal: Refusal): void;
  fault(error: unknown): void;
}

/** Refusals that no other answer of the network would change: the next announcement or the regular question may. */
const SETTLED: ReadonlySet<Code> = new Set([
  'STALE',
  'NOT_OPEN',
  'NOT_IN_COHORT',
  'VETO',
  'FAILED_BEFORE',
  'NO_SPACE',
  'NO_MEMORY',
  'NO_STAGING',
  'CAP_REACHED',
  'WRONG_VENDOR',
  'WRONG_CLASS',
  'WRONG_COMPONENTS',
  'ROLLBACK',
]);

export class Work {
  readonly #p: WorkPorts;
  readonly #mail = new Mailbox();
  readonly #rate: RateLimit;
  readonly #beliefs: Beliefs;
  readonly #installer: Installer;
  readonly #reporter: Reporter;
  readonly #update: Update;
  #working = false;

  constructor(ports: WorkPorts) {
    const mail = this.#mail;
    const rate = new RateLimit(ports.timer);
    const beliefs = new Beliefs(ports);
    const interruption = new Interruption({ ...ports, mail, rate, beliefs });
    const turn = new Turn({ ...ports, mail, interruption });
    const installer = new Installer(ports);
    const reporter = new Reporter(ports);
    this.#p = ports;
    this.#rate = rate;
    this.#beliefs = beliefs;
    this.#installer = installer;
    this.#reporter = reporter;
    this.#update = new Update({ ...ports, beliefs, interruption, turn, installer, reporter });
  }

  /** @param asked it answers our own question */
  receive(bytes: Uint8Array, asked: boolean): void {
    demand(bytes.length <= ANNOUNCEMENT_BYTES_MAX, 'TOO_LARGE', `an announcement of ${bytes.length} bytes`);
    if (this.#beliefs.refused.has(bytes)) return;
    this.#mail.put(bytes, asked);
    this.start();
  }

  start(): void {
    if (!this.#working) void this.#work();
  }

  /** An operator's word: what was refused may be looked at again, and what was fetched in vain fetched again. */
  forgive(): void {
    this.#beliefs.refused.clear();
    this.#installer.forgive();
  }

  close(): void {
    this.#rate.close();
    this.#installer.close();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      await this.#reporter.missed();
      for (let letter = this.#mail.take(); letter && !this.#p.store.closed; letter = this.#mail.take()) {
        await this.#consider(letter);
        await this.#reporter.missed();
      }
    } catch (error) {
      this.#p.fault(error);
    } finally {
      this.#working = false;
    }
  }

  async #consider(letter: Letter): Promise<void> {
    try {
      if (!letter.counted) this.#rate.take();
      await this.#follow(letter.bytes);
      this.#p.succeeded();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#p.store.demandOpen();
      this.#p.refused(error);
      if (!SETTLED.has(error.code) && !this.#beliefs.refused.has(letter.bytes)) this.#p.retry(error);
    }
  }

  async #follow(bytes: Uint8Array): Promise<void> {
    const believed = await this.#beliefs.follow(bytes);
    const { proven, unchanged } = believed;
    await this.#reporter.telling(proven, () => this.#beliefs.adopt(believed));
    await this.#update.withdraw(proven);
    if (!unchanged && this.#p.store.state.pending?.phase !== 'trial') await this.#update.install(believed);
  }
}
