/** What each alarm says: its kind, the code that a device would give, and evidence to show to others. */
import type { Refusal } from '@countersign/device-sdk';
import { type Head, hex } from '@countersign/device-sdk/format';
import type { Alarm } from './alarm.ts';
import type { Claim, Finding } from './claims.ts';
import type { LogClient } from './log-client.ts';

/** Releases of one round that are told one by one; a flood is told as a number. */
export const RELEASE_ALARMS_MAX = 100;

export function stale(url: string, time: number, age: number, most: number): Alarm {
  const text = `the newest head is ${age} seconds old, at most ${most} are allowed`;
  return { kind: 'stale-head', code: 'FREEZE', url, text, evidence: { time, age }, id: `stale-head ${url} ` };
}

export function splitView({ client, what, size, evidence }: Claim): Alarm {
  const text = `the ${what} of ${size} entries that ${client.url} shows is not of one history with what was verified`;
  const id = `split-view ${client.url} ${size} ${evidence.root ?? what}`;
  return { kind: 'split-view', code: 'SPLIT_VIEW', url: client.url, text, evidence, id };
}

export function shrunken(client: LogClient, head: Head, before: number): Alarm {
  const text = `${client.url} shows ${head.size} entries, there were ${before}`;
  const evidence = { size: head.size, before, root: hex(head.root) };
  return {
    kind: 'shrunken-head',
    code: 'STALE',
    url: client.url,
    text,
    evidence,
    id: `shrunken-head ${client.url} ${before}`,
  };
}

export function badHead({ url }: LogClient, what: string, error: Refusal, shown: string): Alarm {
  const text = `the ${what} that ${url} shows is not the log's: ${error.message}`;
  return { kind: 'bad-head', code: error.code, url, text, evidence: { [what]: shown }, id: `bad-head ${url} ${what}` };
}

export function releaseAlarms(findings: readonly Finding[]): Alarm[] {
  const told = findings.slice(0, RELEASE_ALARMS_MAX).map(releaseAlarm);
  const more = findings.length - told.length;
  if (more === 0) return told;
  const last = releaseAlarm(findings.at(-1)!);
  return [...told, { ...last, text: `${more} more, the last of which: ${last.text}` }];
}

/** @param digest SHA-256 of the signed trust root, in hex */
export function newRoot(url: string, version: number, digest: string): Alarm {
  const text = `trust root ${version} is in force: ${digest}`;
  return {
    ...{ kind: 'new-root', code: 'NOT_PERMITTED', url, text, evidence: { version, trustRoot: digest } },
    id: `new-root ${digest}`,
  };
}

function releaseAlarm({ client, text, release, index, convicted }: Finding): Alarm {
  if (convicted) {
    const evidence = { entry: index, leaf: release, ...convicted };
    const id = `convicted-centre ${client.url} ${index}`;
    return { kind: 'convicted-centre', code: 'EXISTS', url: client.url, text, evidence, id };
  }
  const id = `unexpected-release ${client.url} ${index}`;
  const evidence = { entry: index, releaseLeaf: release };
  return { kind: 'unexpected-release', code: 'NOT_PERMITTED', url: client.url, text, evidence, id };
}
