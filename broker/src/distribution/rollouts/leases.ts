/**
 * Deadlines of what devices have under way. A server that waited without one would have a rollout "in progress" for ever;
 * with one, a device that says nothing is a result like any other, and its next word replaces it.
 */
import type { DeviceView } from '../../ledger/contract/views.ts';

/**
 * From the statement that offers a release to the device's first word about it. A device asks once an hour, may fetch for
 * a day at a time and resumes; one that is off over a weekend is not silent yet.
 */
export const OFFER_SECONDS = 7 * 86_400;
/** From the report that a trial begins to its result: a restart, a self-test, and a link that may be away for a day. */
export const TRIAL_SECONDS = 86_400;

/** The owner's "not now" is no failure of the release, and not the device's last word either. */
export const DEFERRED = 'VETO';

export interface Word {
  outcome: DeviceView['outcome'];
  code: string | null;
  /** Seconds since the epoch; null before the first report. */
  reportedAt: number | null;
}

/** A release that is offered to a device. */
export interface Offer {
  /** When its newest statement was logged. */
  at: number;
  jitterSeconds: number;
  window: { start: number; end: number | null } | null;
}

/** Whether this word settles the offer it is about. */
export function isFinished({ outcome, code }: Word): boolean {
  return outcome !== null && outcome !== 'trial' && code !== DEFERRED;
}

/**
 * Until when a device has to say something.
 * @param word its newest about this offer; undefined where there is none
 * @returns undefined where nothing is owed
 */
export function dueAt(word: Word | undefined, offer: Offer): number | undefined {
  if (word && isFinished(word)) return undefined;
  if (word?.outcome === 'trial') return (word.reportedAt ?? offer.at) + TRIAL_SECONDS;
  const begins = Math.max(offer.at, offer.window?.start ?? 0, word?.reportedAt ?? 0);
  return begins + offer.jitterSeconds + OFFER_SECONDS;
}
