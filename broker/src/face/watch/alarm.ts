/** The alarm: somebody's command, told what happened. What a server says never becomes part of a command line. */
import { spawn } from 'node:child_process';
import type { Code } from '@countersign/device-sdk';

export const ALARM_KINDS = [
  'unexpected-release', // a release of one's product that one's key did not upload
  'new-root', // a trust root in force that one did not expect
  'convicted-centre', // a key generation centre has issued two points for one identity
  'stale-head', // no fresh head for longer than the trust root allows
  'no-quorum', // heads without the cosignatures that the trust root demands
  'shrunken-head', // a server shows fewer entries than it did
  'split-view', // two heads that cannot be of one history
  'bad-head', // a head or checkpoint that the log's key did not sign
] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

export interface Alarm {
  kind: AlarmKind;
  /** The refusal that a device would give. */
  code: Code;
  text: string;
  /** The server that showed it. */
  url: string;
  /** What to show to others: signed heads, checkpoints, leaf hashes, in hex or as text. */
  evidence: Record<string, string | number>;
  /** The same as long as the same thing is wrong. */
  id: string;
}

/** A command that sends mail takes seconds; one that hangs must not stop the watch. */
export const ALARM_MS_MAX = 30_000;

/**
 * Runs the command in a shell: JSON on its stdin, kind, code, text, address and origin in its environment.
 * @param command as the operator wrote it; nothing is put into it
 * @returns why it failed, or undefined
 */
export async function raise(
  command: string,
  alarm: Alarm,
  origin: string,
  mostMs = ALARM_MS_MAX,
): Promise<string | undefined> {
  const windows = process.platform === 'win32';
  const child = spawn(command, {
    shell: true,
    // Its own group, so that what the shell started ends with it.
    detached: !windows,
    stdio: ['pipe', 'ignore', 'inherit'],
    env: {
      ...process.env,
      COUNTERSIGN_ALARM_KIND: alarm.kind,
      COUNTERSIGN_ALARM_CODE: alarm.code,
      COUNTERSIGN_ALARM_TEXT: printable(alarm.text),
      COUNTERSIGN_ALARM_URL: printable(alarm.url),
      COUNTERSIGN_ALARM_ORIGIN: printable(origin),
    },
  });
  // A command that reads nothing closes its end: that is its own business.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${JSON.stringify({ ...alarm, origin })}\n`);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (child.pid === undefined || windows) child.kill('SIGKILL');
    else killGroup(child.pid);
  }, mostMs);
  const ended = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(code === 0 ? undefined : `it ended with ${code ?? signal}`));
  });
  clearTimeout(timer);
  return late ? `it took longer than ${mostMs} ms` : ended;
}

/** It may have ended a moment before: that is no reason for the watch to end. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Texts of a hostile server, without what moves a terminal, and without a zero byte, which no environment takes. */
function printable(text: string): string {
  return text.slice(0, 512).replace(/\p{Cc}/gu, ' ');
}
