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
