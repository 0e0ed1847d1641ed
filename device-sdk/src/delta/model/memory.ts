import { REGISTER_WORDS } from './predictors.ts';
import { REGIONS_BYTES } from './regions.ts';

/** Where the predictor's tables lie in the workspace. */
export interface ModelMemory {
  /** Address and size of the range without bytes in the image. */
  ram: Uint32Array;
  registers: Uint32Array;
  oldRegions: Uint32Array;
  newRegions: Uint32Array;
  /** Runs of the image, then those of the RAM. */
  starts: Uint32Array;
  shifts: Int32Array;
  learned: Uint32Array;
}

const RAM_BYTES = 8;
const RUN_BYTES = 8;
const ENTRY_BYTES = 8;
/** What a predictor needs whatever the length of its lists. */
const FIXED_BYTES = RAM_BYTES + 4 * REGISTER_WORDS + 2 * REGIONS_BYTES;

export interface ModelCounts {
  mapRuns: number;
  learnedEntries: number;
}

/** Bytes of all tables of a predictor. */
export function modelBytes(counts: ModelCounts): number {
  return FIXED_BYTES + RUN_BYTES * counts.mapRuns + ENTRY_BYTES * counts.learnedEntries;
}

/** Lays the tables into `area`, which has {@link modelBytes} and begins at a multiple of 4. */
export function modelMemory(area: Uint8Array, counts: ModelCounts): ModelMemory {
  let at = area.byteOffset;
  const words = (count: number): Uint32Array => {
    const view = new Uint32Array(area.buffer, at, count);
    at += 4 * count;
    return view;
  };
  const ram = words(2);
  const registers = words(REGISTER_WORDS);
  const oldRegions = words(REGIONS_BYTES / 4);
  const newRegions = words(REGIONS_BYTES / 4);
  const starts = words(counts.mapRuns);
  const shifts = new Int32Array(area.buffer, at, counts.mapRuns);
  at += 4 * counts.mapRuns;
  return { ram, registers, oldRegions, newRegions, starts, shifts, learned: words(2 * counts.learnedEntries) };
}
