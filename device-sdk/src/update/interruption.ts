/** What arrives while a release is being installed: a newer word that proves itself ends the install, all else does not. */
import { Refusal } from '../errors.ts';
import type { RateLimit } from '../fetch/guard.ts';
import type { Letter, Mailbox } from '../fetch/mailbox.ts';
import { equal } from '../format/bytes.ts';
import { OPEN } from '../format/index-entry.ts';
import type { Proven } from '../verify/types.ts';
import type { Beliefs } from './beliefs.ts';

export interface InterruptionPorts {
  mail: Mailbox;
  rate: RateLimit;
  beliefs: Beliefs;
  /** Asks for the announcement again, soon. */
  retry(): void;
}

export class Interruption {
  readonly #p: InterruptionPorts;
  /** The release whose trial has been held up once for a newer trust root. */
  #deferred: Uint8Array | undefined;

  constructor(ports: InterruptionPorts) {
    this.#p = ports;
  }

  /**
   * Called while an install waits and between its frames: a newer announcement that proves itself may end it. What does
   * not prove itself, or says the same, is thrown away here.
   * @throws Refusal NOT_OPEN
   */
  demandNone(current: Proven): void {
    const { mail, rate, retry } = this.#p;
    for (const letter of mail.unread()) {
      if (!letter.counted && !rate.tryTake()) continue; // looked at when the minute is over
      letter.counted = true;
      const found = this.#read(letter, current);
      if (found === 'nothing') mail.drop(letter);
      letter.read = true;
      if (found !== 'other') continue;
      retry(); // should it come to nothing after all, this install is taken up again
      throw new Refusal('NOT_OPEN', 'another release or state is announced');
    }
  }

  /**
   * An announcement under a newer trust root waits: it is followed before the trial, but may not hold it up twice.
   * @throws Refusal NOT_OPEN
   */
  deferOnce({ envelope: { manifestDigest } }: Proven): void {
    if (this.#p.mail.read().length === 0 || (this.#deferred && equal(this.#deferred, manifestDigest))) return;
    this.#deferred = manifestDigest;
    this.#p.retry();
    throw new Refusal('NOT_OPEN', 'a newer trust root comes first');
  }

  #read({ bytes }: Letter, { envelope, rollout }: Proven): 'nothing' | 'other' | 'later' {
    try {
      const { manifestDigest } = envelope;
      const { rolloutId } = rollout;
      return isOpenFor(this.#p.beliefs.glance(bytes), { manifestDigest, rolloutId }) ? 'nothing' : 'other';
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Whether it holds depends on trust roots that must be asked for first: after this install, before its trial.
      return error.code === 'OLD_ROOT' ? 'later' : 'nothing';
    }
  }
}

/** Whether an announcement still wants this release in this rollout. */
export function isOpenFor(
  { envelope, rollout }: Proven,
  by: { manifestDigest: Uint8Array; rolloutId: Uint8Array },
): boolean {
  const same = equal(envelope.manifestDigest, by.manifestDigest) && equal(rollout.rolloutId, by.rolloutId);
  return same && rollout.state === OPEN;
}
