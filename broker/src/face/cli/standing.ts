/** What a device's last word means, in a sentence, and until when the next one is due. */
import type { Code } from '@countersign/device-sdk';
import { DEFERRED, TRIAL_SECONDS } from '../../distribution/rollouts/leases.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';
import { EXPLAINED } from './explained.ts';
import { timeText } from './table.ts';

export interface Standing {
  standing: 'revoked' | 'unheard' | 'offered' | 'trial' | 'silent' | 'deferred' | 'updated' | 'reverted' | 'refused';
  explained: string;
  /** Seconds since the epoch by which it has to say more; null where nothing is owed. */
  due: number | null;
}

type Word = Pick<DeviceView, 'state' | 'outcome' | 'code' | 'reportedAt'>;

/** A release that is offered to it, by a rollout of which it has said nothing yet. */
interface Offered {
  release: string;
  since: number;
  due: number;
}

/** @param now seconds since the epoch */
export function standingOf({ state, outcome, code, reportedAt }: Word, now: number, offered?: Offered): Standing {
  if (state === 'revoked') return said('revoked', 'It is revoked, and its reports are refused.');
  if (offered) return unanswered(offered, now);
  if (outcome === null) return said('unheard', 'It has reported nothing since it was enrolled.');
  if (outcome === 'trial') return onTrial(reportedAt ?? 0, now);
  if (outcome === 'updated') return said('updated', 'It runs the release of its last report, and has confirmed it.');
  const [what, toDo] = EXPLAINED[code as Code] ?? [`It said ${code}.`, 'Update this command to have it explained.'];
  if (code === DEFERRED) return said('deferred', `${what} ${toDo}`);
  const kept = outcome === 'reverted' ? 'It went back to what it ran before.' : 'It stays on what it runs.';
  return said(outcome, `${what} ${kept} ${toDo}`);
}

function unanswered({ release, since, due }: Offered, now: number): Standing {
  const text = `${release} is offered to it since ${timeText(since)}, and it has said nothing of it yet`;
  if (now <= due) return said('offered', `${text}; its word is due by ${timeText(due)}.`, due);
  return said('silent', `${text}; its word was due by ${timeText(due)}. Look at its power and its link.`, due);
}

/** LwM2M object 5, resource 3. */
const UPDATE_STATES = ['idle', 'downloading', 'downloaded', 'updating'];
/** LwM2M object 5, resource 5. */
const UPDATE_RESULTS = [
  'no result yet',
  'updated',
  'not enough flash',
  'out of memory',
  'connection lost',
  'integrity check failed',
  'package not supported',
  'invalid URI',
  'update failed',
  'protocol not supported',
  'cancelled',
  'deferred',
];

/** The numbers that other device management systems know, with their meaning. */
export function lwm2mText(state: number | null, result: number | null): string | null {
  if (state === null || result === null) return null;
  return `state ${state} (${UPDATE_STATES[state] ?? 'unknown'}), result ${result} (${UPDATE_RESULTS[result] ?? 'unknown'})`;
}

function onTrial(since: number, now: number): Standing {
  const due = since + TRIAL_SECONDS;
  if (now <= due) return said('trial', `It began a trial; the result is due by ${timeText(due)}.`, due);
  const text = `It began a trial at ${timeText(since)} and has said nothing since ${timeText(due)}, when the result was due.`;
  return said('silent', `${text} Look at its power and its link: it may run either image.`, due);
}

function said(standing: Standing['standing'], explained: string, due: number | null = null): Standing {
  return { standing, explained, due };
}
