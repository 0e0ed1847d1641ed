/** Seconds since a `performance.now()`, to the millisecond: for figures that people read. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
