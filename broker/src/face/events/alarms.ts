/** What a server says aloud, for those who watch its events: the log's warnings and errors that have a code. */
import { CODES, type Code } from '@countersign/device-sdk';
import type { Log } from '../../distribution/ports.ts';

export interface Alarm {
  level: 'warn' | 'error';
  code: Code;
  text: string;
  /** Seconds since the epoch. */
  time: number;
}

export class Alarms {
  readonly #listeners = new Set<(alarm: Alarm) => void>();

  /** The same log; what it warns of is heard here, too. */
  heardIn(log: Log): Log {
    return {
      info: (fields, text) => log.info(fields, text),
      warn: (fields, text) => {
        log.warn(fields, text);
        this.#tell('warn', fields, text);
      },
      error: (fields, text) => {
        log.error(fields, text);
        this.#tell('error', fields, text);
      },
    };
  }

  /** @returns ends it */
  listen(call: (alarm: Alarm) => void): () => void {
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  /** A warning without a code is for the log alone; an error without one is a fault of ours. */
  #tell(level: Alarm['level'], fields: object, text: string): void {
    const named = CODES.find((code) => code === (fields as { code?: unknown }).code);
    const code = named ?? (level === 'error' ? 'INTERNAL' : undefined);
    if (code === undefined) return;
    const alarm = { level, code, text, time: Math.floor(Date.now() / 1000) };
    for (const call of this.#listeners) call(alarm);
  }
}
