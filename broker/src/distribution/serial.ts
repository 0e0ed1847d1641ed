export { type Serial, serial } from '../ledger/serial.ts';

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
