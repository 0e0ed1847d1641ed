/** What an attack of the suite is, and what may come of it. */
import type { Code } from '@countersign/device-sdk';
import type { Port } from './port/port.ts';

/** What came of one try. */
export interface Found {
  /** What the adversary has reached, in words; undefined where nothing. */
  harm: string | undefined;
  /** What was said otherwise than it must be, although nothing was reached. */
  odd?: string | undefined;
  /** Codes with which it was refused, in order. */
  codes: readonly string[];
}

/** One way to do it. */
export interface Variant {
  /** In words, after "the adversary …". */
  how: string;
  /** The code that must be said first; or 'held', where nothing need be said and nothing may change. */
  expect: Code | 'held';
  run(ground: Ground): Promise<Found>;
}

export interface Attack {
  /** Its number in docs/THREATS.md, "The named attacks". */
  id: number;
  /** The same words as there. */
  name: string;
  /** Who named it. */
  source: string;
  /** The device SDK, the servers, or both. */
  against: readonly ('device' | 'server')[];
  variants: readonly Variant[];
}

/** Where attacks are tried. */
export interface Ground {
  /** The build of the SDK under attack. */
  port: Port;
  /** A folder of this try's own, gone afterwards. */
  folder(): Promise<string>;
  /** Called when the try is over, last first. */
  after(end: () => unknown): void;
}

export type Outcome = 'refused' | 'held' | 'succeeded' | 'unexpected';

export interface Tried {
  how: string;
  expect: string;
  outcome: Outcome;
  code: string | null;
  /** What was reached, or what else went wrong. */
  why?: string;
  millis: number;
}

export interface Row {
  id: number;
  name: string;
  source: string;
  tried: string;
  variants: number;
  outcome: Outcome;
  codes: string[];
  millis: number;
  /** Variants that did not end as they must. */
  failed: Tried[];
}
