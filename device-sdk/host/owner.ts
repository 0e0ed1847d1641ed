/** What a device asks its owner, answered by external commands: is the new image well, and may it go on now? */
import type { Health, Veto, VetoStage } from '../src/ports.ts';
import { type Argv, type CommandResult, runCommand } from './command.ts';

/** Told after every command, for a log. */
export type CommandTold = (name: string, result: CommandResult) => void;

export interface CommandHealthOptions {
  command: Argv;
  /** Also ends the command. */
  deadlineMs: number;
  /** Ask again until it says yes or the deadline passes: an application needs a while to come up. Default 2 s. */
  againMs?: number;
  /** Ends the command early. */
  signal?: AbortSignal;
  on?: CommandTold;
}

/**
 * The application's own checks: exit 0 is well, 75 (EX_TEMPFAIL) is not yet, anything else is the end of the trial.
 *
 * @example
 * commandHealth({ command: ['/usr/local/bin/check-app', '--fast'], deadlineMs: 60_000 });
 */
export function commandHealth(options: CommandHealthOptions): Health {
  const { command, deadlineMs, againMs = 2_000, signal, on } = options;
  return {
    deadlineMs,
    async selfTest() {
      const end = Date.now() + deadlineMs;
      for (;;) {
        const result = await runCommand(command, { limitMs: Math.max(1, end - Date.now()), ...(signal && { signal }) });
        on?.('health', result);
        if (result.exit !== TEMPFAIL) return result.exit === 0;
        if (Date.now() + againMs >= end) return false;
        await new Promise((resolve) => setTimeout(resolve, againMs));
      }
    },
  };
}

/** sysexits.h */
export const TEMPFAIL = 75;

/** From minute to minute of the day, local time; a window may pass midnight. */
export interface Window {
  from: number;
  to: number;
}

export interface OwnerVetoOptions {
  /** Exit 0 means go on; gets stage and version as {stage}, {version} and in the environment. */
  command?: Argv;
  /** Inside one of these the named stages may begin; where there is none they always may. */
  windows?: readonly Window[];
  /** Stages that wait for a window. Default: all but `fetch`, which disturbs nobody. */
  windowStages?: readonly VetoStage[];
  /** Minutes since local midnight. */
  minute?: () => number;
  /** Ends the command early. */
  signal?: AbortSignal;
  on?: CommandTold;
}

/** The SDK takes no answer within a minute for a no; the command ends before that. */
const VETO_LIMIT_MS = 50_000;

export function ownerVeto(options: OwnerVetoOptions): Veto {
  const { command, windows = [], windowStages = ['install', 'restart'], minute = minuteOfDay, signal, on } = options;
  return {
    async allow(stage, { version, sequence }) {
      const now = minute();
      const open = windows.length === 0 || windows.some((window) => isInside(window, now));
      if (!open && windowStages.includes(stage)) return false;
      if (!command) return true;
      const values = { stage, version, sequence: String(sequence) };
      const result = await runCommand(command, { limitMs: VETO_LIMIT_MS, values, ...(signal && { signal }) });
      on?.('veto', result);
      return result.exit === 0;
    },
  };
}

/** `22:00-05:30`. @returns undefined for anything else */
export function readWindow(text: string): Window | undefined {
  const [, ...parts] = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  if (parts.length !== 4) return undefined;
  const [fromHour, fromMinute, toHour, toMinute] = parts.map(Number) as [number, number, number, number];
  return { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
}

function isInside({ from, to }: Window, minute: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

function minuteOfDay(): number {
  const now = new Date();
  return now.getHours() * 60 + now.getMinutes();
}
