/** What a delta is asked for with, and what comes back beside it. */
import type { Direction, MemoryClass } from '@countersign/device-sdk/delta';
import type { PredictorName } from '@countersign/device-sdk/delta/model';
import type { Copy } from './align.ts';
import type { Spent } from './commands.ts';

/** Every page costs a start of the models, and has to fit the scratch page of the device. */
export const IN_PLACE_BYTES = 16_384;

/**
 * Of the bytes as they are, of the images as the model sees them, composed through the image between, or found by
 * bsdiff-node; none for kind full.
 */
export type AlignmentName = 'plain' | 'predicted' | 'composed' | 'bsdiff-node' | 'none';

/** An alignment from elsewhere. */
export interface GivenAlignment {
  name: 'bsdiff-node';
  copies: readonly Copy[];
}

export interface MakeOptions {
  class: MemoryClass;
  /**
   * Output bytes between two checkpoints, a power of two of at least 4 KB; 0 for none. Left out, the encoder takes the
   * densest of 16 KB, 64 KB, 256 KB, 1 MB that makes the container at most 3 % larger.
   */
  checkpointBytes?: number;
  /**
   * For a device with one slot: the image is written over its own base, in the direction that makes the smaller container.
   * The checkpoint is the page that is written at once then, {@link IN_PLACE_BYTES} where it is left out.
   */
  inPlace?: boolean;
  /** The image of a release between the two: where code went by way of it is tried as a further alignment. */
  through?: Uint8Array;
  /** Alignments from elsewhere, instead of ours. */
  given?: readonly GivenAlignment[];
  /** The instruction set, if the publisher names it; else every one is tried. */
  cpu?: PredictorName;
  /** Address of a flat image, if the publisher names it; else it is found. An Espressif segment table goes before it. */
  base?: number;
}

export interface MadeInfo {
  kind: 'delta' | 'full';
  alignment: AlignmentName;
  /** The way the blocks come in place; undefined for a slot beside the base, and for kind full. */
  inPlace: Direction | undefined;
  class: MemoryClass;
  predictor: string;
  coder: string;
  windowBits: number;
  lookaheadBits: number;
  /** 0 for none. */
  checkpointBytes: number;
  workspaceBytes: number;
  /** Candidates that were built. */
  candidates: number;
  spent: Spent;
  /** Sentences on what was left out. */
  notes: readonly string[];
}

export interface Made {
  delta: Uint8Array;
  info: MadeInfo;
}
