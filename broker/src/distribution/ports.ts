/** What the distribution server is given besides ledger, blobs and delivery: time and a place for its words. */

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

/** The part of pino that is used here; any logger with these three will do. */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export const silentLog: Log = { info() {}, warn() {}, error() {} };
