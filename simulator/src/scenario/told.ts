/** What the demo is asked for and what it tells in the end. */
import type { FaultRates } from '../fleet/faults.ts';
import type { Revisions } from '../fleet/profile.ts';
import type { Verdict } from '../oracle/judge.ts';
import type { FleetOutcome } from '../report/outcome.ts';

export interface DemoOptions {
  devices: number;
  seed: string;
  revisions: Revisions;
  faults: FaultRates;
  verbose: boolean;
  /** Told when everything is over and stays up; resolves when it may end. */
  keep?: (where: { data: string; url: string }, told: Demonstrated) => Promise<void>;
  write(line: string): void;
}

export interface Demonstrated {
  outcome: FleetOutcome;
  verdict: Verdict;
  /** What the story promises and did not happen. */
  broken: string[];
}
