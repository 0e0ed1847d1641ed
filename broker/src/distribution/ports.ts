/** What the distribution server is given besides ledger, blobs and delivery: time, chance and a place for its words. */
import { randomBytes } from 'node:crypto';
import type { Entropy } from '@countersign/device-sdk';

export interface ServerClock {
  /** Whole seconds since the Unix epoch. */
  now(): number;
  /** Milliseconds that only pass, for rates and waits. */
  elapsedMs(): number;
  /** Calls back once after at least `ms` milliseconds; the returned function cancels it. */
  after(ms: number, call: () => void): () => void;
}

/** The clock of this machine. Its waits do not keep the process alive. */
export const systemClock: ServerClock = {
  now: () => Math.floor(Date.now() / 1000),
  elapsedMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The randomness of this machine, for rollout ids and the salts of groups. */
export const systemEntropy: Entropy = { random: (bytes) => new Uint8Array(randomBytes(bytes)) };

/** The part of pino that is used here; any logger with these three will do. */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export const silentLog: Log = { info() {}, warn() {}, error() {} };
