/** What a device's last word means, in a sentence, and until when the next one is due. */
import type { Code } from '@countersign/device-sdk';
import { DEFERRED, TRIAL_SECONDS } from '../../distribution/rollouts/leases.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';
import { EXPLAINED } from './explained.ts';
import { timeText } from './table.ts';

export interface Standing {
  standing: 'revoked' | 'unheard' | 'trial' | 'silent' | 'deferred' | 'updated' | 'reverted' | 'refused';
  explained: string;
  /** Seconds since the epoch by which it has to say more; null where nothing is owed. */
  due: number | null;
}

type Word = Pick<DeviceView, 'state' | 'outcome' | 'code' | 'reportedAt'>;

/** @param now seconds since the epoch */
export function standingOf({ state, outcome, code, reportedAt }: Word, now: number): Standing {
  if (state === 'revoked') return said('revoked', 'It is revoked, and its reports are refused.');
  if (outcome === null) return said('unheard', 'It has reported nothing since it was enrolled.');
  if (outcome === 'trial') return onTrial(reportedAt ?? 0, now);
  if (outcome === 'updated') return said('updated', 'It runs the release of its last report, and has confirmed it.');
  const [what, toDo] = EXPLAINED[code as Code] ?? [`It said ${code}.`, 'Update this command to have it explained.'];
  if (code === DEFERRED) return said('deferred', `${what} ${toDo}`);
  const kept = outcome === 'reverted' ? 'It went back to what it ran before.' : 'It stays on what it runs.';
  return said(outcome, `${what} ${kept} ${toDo}`);
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
