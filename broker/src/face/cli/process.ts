/** What every process that runs until it is told to end has in common: signals, logs, certificates. */
import { pino } from 'pino';
import type { StartOptions } from '../up/parts.ts';
import { readInput } from './connect.ts';
import { note, WrongUse } from './program.ts';

/** A service manager waits for ten seconds and more; whatever has not ended by itself in five, hangs. */
export const STOP_MS_MAX = 5_000;

/** Closes within the time, or ends the process. */
export async function closeInTime(close: () => Promise<void>): Promise<void> {
  const watchdog = setTimeout(() => {
    note('INTERNAL: did not stop in time');
    process.exit(1);
  }, STOP_MS_MAX);
  await close();
  clearTimeout(watchdog);
}

/** The first signal asks to stop; a second one does not wait. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(1));
      });
    }
  });
}

export function logTo(level: string): StartOptions['log'] {
  if (!['error', 'warn', 'info'].includes(level)) throw new WrongUse('--log-level is error, warn or info');
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}

export interface TlsFiles {
  tlsCert?: string;
  tlsKey?: string;
}

export async function tlsOf({ tlsCert, tlsKey }: TlsFiles): Promise<StartOptions['tls']> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw new WrongUse('--tls-cert and --tls-key go together');
  return { cert: (await pemOf(tlsCert))!, key: (await pemOf(tlsKey))! };
}

export async function pemOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : new TextDecoder().decode(await readInput(path));
}
