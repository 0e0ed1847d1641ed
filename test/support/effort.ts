/**
 * How much the long suite does. By itself it ends within the time of a check of a change; COUNTERSIGN_EFFORT=full is for a
 * night: every operation, every class of every pair, every run that the documents speak of.
 */
export const FULL = process.env.COUNTERSIGN_EFFORT === 'full';

/** The number for the effort at hand. */
export function effort(usual: number, full: number): number {
  return FULL ? full : usual;
}
