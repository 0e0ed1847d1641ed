import type { LedgerEvent } from './client.ts';

/** Leaves read at a time by a follower. */
export const FOLLOW_BATCH = 256;

/** Where events come from: at most `count` from a leaf on, none where there are none yet. */
export type Fetch = (from: number, count: number) => Promise<LedgerEvent[]>;

/**
 * Calls back for every leaf in order, each once, waiting for each call. A callback that throws ends the following: the
 * error goes to `failed`, or ends the process where nobody listens.
 * @param more resolves when there may be more leaves than those seen
 */
export function followWith(
  from: number,
  fetch: Fetch,
  more: (seen: number) => Promise<void>,
  call: (event: LedgerEvent) => Promise<void> | void,
  failed: (error: unknown) => void = rethrow,
): { stop(): void } {
  let running = true;
  const run = async () => {
    for (let next = from; running; ) {
      const events = await fetch(next, FOLLOW_BATCH);
      for (const event of events) {
        if (!running) return;
        await call(event);
        next = event.leafIndex + 1;
      }
      if (events.length === 0 && running) await more(next);
    }
  };
  run().catch((error) => {
    if (running) failed(error);
  });
  return {
    stop() {
      running = false;
    },
  };
}

function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
