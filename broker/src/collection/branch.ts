/** What a worker is told and what it answers: plain values that cross a thread's border. */
import type { PredictorName } from '@countersign/device-sdk/delta/model';
import type { MemoryClass, Payload } from '@countersign/device-sdk/format';
import type { GEOMETRIES } from '@countersign/device-sdk/rig';
import type { OneSlotFlashSizes } from '../ledger/contract/args.ts';

export interface BenchOptions {
  /** Hardware revisions on which a new image must pass its self-test. At least one. */
  hardware: readonly string[];
  /** Flash geometry of the bench's boards. */
  geometry: keyof typeof GEOMETRIES;
  /** Power cuts per branch: before, during and after an operation in turn, at seeded moments. */
  cuts: number;
}

/** A and B stand for the revisions on the publisher's desk; six cuts are each phase twice. */
export const BENCH: BenchOptions = { hardware: ['A', 'B'], geometry: 'nrf52', cuts: 6 };

/** Encode one branch. */
export interface MakeJob {
  kind: 'make';
  image: Uint8Array;
  /** Absent for the full image. */
  base?: Uint8Array;
  /** The image of a release between base and image: what moved by way of it is tried as a further alignment. */
  through?: Uint8Array;
  memoryClass: MemoryClass;
  /** 0: found by the encoder. */
  imageBase: number;
  /** Left out: found by the encoder. */
  cpu?: PredictorName | undefined;
  /** For devices with one slot: bytes that are written at once. Left out: for two slots. */
  pageBytes?: number | undefined;
}

/** Install one branch of a manifest on virtual boards. */
export interface TrialJob {
  kind: 'trial';
  image: Uint8Array;
  /** What the boards come with from the factory: the branch's base, or any other image for the full one. */
  running: Uint8Array;
  /** Further components, in the product's order, each with what the boards come with of it. */
  components?: readonly { id: string; image: Uint8Array; running: Uint8Array; slotBytes: number }[];
  /** Payloads of the release's other branches: of several components each takes its own. */
  others?: readonly { payload: Payload; frames: Uint8Array[] }[];
  /** For messages: the base's version, or `no base`. */
  baseName: string;
  manifest: Uint8Array;
  payload: Payload;
  frames: Uint8Array[];
  product: string;
  /** Undefined where the image need not carry this label: old bytes in a downgrade keep their own. */
  version: string | undefined;
  memoryClass: MemoryClass;
  slotBytes: number;
  /** Boards with one slot. Left out: with two. */
  oneSlot?: OneSlotFlashSizes | undefined;
  bench: BenchOptions;
}

export interface Made {
  container: Uint8Array;
  workspaceBytes: number;
  /** How the download came to be; one delta in every case, for a chain would have to be booted link by link. */
  path: 'direct' | 'composed' | 'full';
  predictor: string;
  coder: string;
  seconds: number;
}

export type Job = MakeJob | TrialJob;
