import type { Direction } from './block-order.ts';
import type { MemoryClass } from './classes.ts';

/** What a container says about itself before its first command. Sizes in bytes. */
export interface DeltaHeader {
  kind: 'delta' | 'full';
  /** The image is written over its own base, and which way; undefined where the base stays whole. */
  inPlace: Direction | undefined;
  class: MemoryClass;
  predictor: number;
  coder: number;
  /** Heatshrink: window and lookahead bits. Stored: both 0. */
  windowBits: number;
  lookaheadBits: number;
  /** Output comes in pages of 2^pageBits bytes. */
  pageBits: number;
  /** The coder is reset after every 2^checkpointBits bytes of output; 0 means never. */
  checkpointBits: number;
  workspaceBytes: number;
  /** Bytes of the model section (predictor parameters and map) between header and stream. */
  modelBytes: number;
  mapRuns: number;
  learnedEntries: number;
  newBytes: number;
  /** 0 for kind full. */
  oldBytes: number;
  /** First 8 bytes of the old image's SHA-256; empty for kind full. */
  oldTag: Uint8Array;
  newTag: Uint8Array;
  /** Length of this header in bytes. */
  headerBytes: number;
}
