/** The one object that `simulate --json` and `demo --json` print. */
import type { MemoryClass } from '@countersign/device-sdk/format';
import type { Tally } from '../fleet/tally.ts';

export interface AttackRow {
  name: string;
  /** True means that the attack failed. */
  refused: boolean;
  outcome: 'refused' | 'survived' | 'detected';
  /** The code with which it was refused; null where nobody said one. */
  code: string | null;
}

/** What one product class took for one release, measured on its devices. */
export interface ClassRow {
  class: MemoryClass;
  product: string;
  from: string;
  to: string;
  imageBytes: number;
  /** The whole image as this class packs it. */
  fullBytes: number;
  /** The delta of this class as it was signed. */
  deltaBytes: number;
  /** Devices that run it now, proven by their signed reports. */
  devices: number;
  /** Frames with their hashes that one of them fetched, on average; more than the delta where frames were lost. */
  fetchedBytes: number;
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
  /** Of all devices together since the factory; left out by the demo. */
  wear?: {
    /** Images that were brought into a slot. */
    installs: number;
    slotErases: number;
    slotBytes: number;
    storeErases: number;
    storeBytes: number;
    /** Erases of the block that was erased most, on any device. */
    worstBlock: number;
  };
  /** By memory class; of the demo only. */
  classes?: ClassRow[];
  attacks: AttackRow[];
  ledger: { entries: number; blocks: number; root: string; verified: boolean };
}
