/** The switch of every check that was loaded: which are off, and which have fired. */
import type { Check } from './instrument.ts';

export class Switches {
  readonly checks: Check[] = [];
  /** Indexes of removed checks. */
  readonly removed = new Set<number>();
  /** Checks that would refuse, since this was emptied; removed ones too. */
  readonly fired = new Set<number>();

  /** Called by each instrumented file for its own checks. */
  of(checks: readonly Check[]) {
    const first = this.checks.length;
    this.checks.push(...checks);
    const off = (index: number): boolean => {
      this.fired.add(first + index);
      return this.removed.has(first + index);
    };
    return {
      /** A condition that must hold. */
      demand: (index: number, held: unknown): unknown => held || off(index),
      /** A condition under which nothing is done. */
      guard: (index: number, met: unknown): unknown => met && !off(index),
      /** A statement that refuses. */
      stands: (index: number): boolean => !off(index),
    };
  }
}
