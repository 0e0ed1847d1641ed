/** Promises that the owner of a device gives us may hang, reject or throw. */
import type { Timer } from './ports.ts';

/** What `work` resolves to; `late` after `ms` milliseconds without a result, `failed` when it rejects or throws. */
export function within<T>(timer: Timer, ms: number, work: () => Promise<T>, late: T, failed: T): Promise<T> {
  return new Promise((resolve) => {
    const cancel = timer.after(ms, () => resolve(late));
    const end = (value: T) => {
      cancel();
      resolve(value);
    };
    Promise.resolve()
      .then(work)
      .then(end, () => end(failed));
  });
}
