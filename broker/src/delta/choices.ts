/**
 * What was chosen by measuring. docs/design/delta.md says how; test/bench/delta-choices.ts is the only one that changes
 * these numbers, to see on each pair whether the others would have chosen the same.
 */
export const CHOICES = {
  /** A match must beat the run it would interrupt by this many bytes. */
  gainBytes: 8,
  /** What a run of an address map must save: it takes four bytes, a wrong target about one and a half. */
  runPrice: 4,
  /** Shifts considered for runs; further ones have too few votes to pay for one. */
  shiftsMax: 160,
  /** Most runs of the map that are kept for RAM. */
  ramRunsShare: 1 / 4,
  /** What changing from code to data must save, in wrong bytes: a boundary costs five. */
  changePrice: 40,
  /** What a wrong unit costs beside its bytes. */
  unitPrice: 2,
  /** A rounder base is taken for this share of the agreeing pointers: where little moved, many bases explain it. */
  roundShare: 0.97,
};
