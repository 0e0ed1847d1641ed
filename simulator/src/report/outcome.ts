/** The one object that `simulate --json` and `demo --json` print. */
import type { Tally } from '../fleet/tally.ts';

export interface AttackRow {
  name: string;
  /** True means that the attack failed. */
  refused: boolean;
  outcome: 'refused' | 'survived' | 'detected';
  /** The code with which it was refused; null where nobody said one. */
  code: string | null;
}

export interface FleetOutcome extends Tally {
  seed: string;
  devices: number;
  /** From beginning to end. */
  seconds: number;
  /** The slowest rollout to the whole fleet: from the operator's word to the last acknowledged report. */
  updateSeconds?: number;
  bytes: {
    /** The images that arrived, had they travelled whole. */
    image: number;
    /** The frames that travelled instead, with their hashes. */
    delta: number;
    /** All that a device received: frames, announcements, proofs, acknowledgements; on average. */
    perDevice: number;
  };
  attacks: AttackRow[];
  ledger: { entries: number; blocks: number; root: string; verified: boolean };
}
