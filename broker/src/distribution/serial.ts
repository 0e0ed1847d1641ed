/** Runs jobs one after another, in the order in which they were given. */
export type Serial = <T>(job: () => Promise<T>) => Promise<T>;

/** A job that fails does not stop the ones behind it. */
export function serial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const next = last.then(job, job);
    last = next.catch(() => undefined);
    return next;
  };
}

/**
 * Runs `job` soon after `ask`, never twice at a time; what is asked for while it runs is one more run afterwards.
 * @returns `ask`, and `settled`, which resolves when nothing is asked for any more
 */
export function coalesced(job: () => Promise<void>): { ask(): void; settled(): Promise<void> } {
  let asked = false;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    // Everything asked for in the same turn is one run.
    await Promise.resolve();
    while (asked) {
      asked = false;
      await job();
    }
    running = undefined;
  }

  return {
    ask() {
      asked = true;
      running ??= run();
    },
    async settled() {
      while (running) await running;
    },
  };
}
