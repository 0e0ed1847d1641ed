/** What a watch is given, and what it says after each round. */
import type { Verifier } from '@countersign/device-sdk';
import type { Alarm } from './alarm.ts';
import type { Expectation } from './expectation.ts';
import type { LogClient } from './log-client.ts';

export interface WatchOptions {
  verifier: Verifier;
  /** The first may give entries; all are held against each other. */
  clients: readonly LogClient[];
  statePath: string;
  command: string;
  /** A trust root from outside, 1 or a later one; without it the first server's word is taken once. */
  trust?: Uint8Array | undefined;
  /** A signed head that was kept elsewhere, looked at before anything is verified; later it is behind the state. */
  head?: Uint8Array | undefined;
  /** What is expected now: asked before every round, so that a changed file is noticed. */
  expectation?: (() => Promise<Expectation>) | undefined;
  /** Seconds; what the trust root says where not given. */
  headAgeMax?: number | undefined;
  /** Seconds since the epoch. */
  now: () => number;
  alarmMsMax?: number | undefined;
  /** Milliseconds that only pass. */
  elapsedMs?: (() => number) | undefined;
}

export interface ServerReport {
  url: string;
  /** null where it has shown nothing that held, now or before. */
  size: number | null;
  time: number | null;
  /** Why it could not be looked at in this round. */
  problem: { code: string; text: string } | null;
}

export interface RoundReport {
  /** Entries that were verified so far, and the root over them. */
  entries: number;
  root: string;
  anchored: boolean;
  servers: ServerReport[];
  /** Raised in this round. */
  raised: Alarm[];
  /** The command failed; they are raised again in the next round. */
  failed: { alarm: Alarm; why: string }[];
  /** What was wrong at the end of it, told now or before. */
  standing: string[];
  /** Why what is expected could not be read, or held against the entries, or names a product that the record does not have. */
  expectationProblem: { code: string; text: string } | null;
}
