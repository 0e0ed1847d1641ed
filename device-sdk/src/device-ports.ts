/** What a device takes from its owner and tells him. */
import type { DecoderPart } from './delta/parts.ts';
import type { Code } from './errors.ts';
import type { Slots } from './fetch/target.ts';
import type { Stage, StageCode } from './format/report.ts';
import type { MemoryClass } from './format/suit.ts';
import type { BootControl, Clock, Entropy, Flash, Health, KeyStore, Link, Timer, Verifier, Veto } from './ports.ts';

export interface DevicePorts {
  verifier: Verifier;
  keys: KeyStore;
  /** Two slots, of which one runs; or one, with what it takes to write over it. */
  slots: Slots;
  /** Region of the journal, at least 16 KB. */
  store: Flash;
  boot: BootControl;
  link: Link;
  timer: Timer;
  entropy: Entropy;
  clock: Clock;
  health: Health;
  veto?: Veto;
  /** The decoder's memory, all of it; its size and the class decide which deltas this device takes. */
  workspace: Uint8Array;
  memoryClass: MemoryClass;
  /**
   * What the product's containers are made with beside class S without a predictor: parts of the entry point `decoders`,
   * such as `[lite, thumb]` for class L on a Cortex-M. A branch that needs another is refused, UNSUPPORTED, and counted
   * against that branch; the next one is taken.
   */
  decoders?: readonly DecoderPart[];
  /** Bytes of RAM for frames that wait for their predecessor. Default: four frames of the class's largest size. */
  windowBytes?: number;
  /** Ask for the announcement about this often, in seconds; an erased retained message is then harmless. Default 1 h. */
  askSeconds?: number;
  /**
   * The owner's word for a device without a clock that may be out of reach for long: where nobody answers its freshness
   * question, it installs under a head that is not older than the stored one, and its report says so.
   */
  offline?: boolean;
  on?: Tell;
}

/** What a device tells its owner. Nothing of it is needed for safety. */
export type DeviceEvent =
  | { kind: 'stage'; stage: Stage; code: StageCode; sequence: number; version: string }
  | { kind: 'progress'; bytes: number; of: number }
  /** An announcement was not taken. STALE and the like are normal; others deserve a look. */
  | { kind: 'refused'; code: Code; text: string }
  | { kind: 'restart'; version: string }
  | { kind: 'link'; up: boolean }
  /**
   * Told at every start once flash has lost what was stored last and older values were taken instead. The device runs
   * and updates, but its reports may no longer continue those in the ledger: it has to be enrolled as a new device.
   */
  | { kind: 'damaged' }
  /** Something threw that is not a refusal: the device has stopped. */
  | { kind: 'fault'; error: unknown };

export type Tell = (event: DeviceEvent) => void;
