/**
 * Makes deltas: every candidate that the memory class allows is built, the smallest is decoded again with the decoder
 * that devices run, and compared. A delta that is not smaller than the compressed full image does not ship.
 */
import { demand } from '@countersign/device-sdk';
import { CODER_HEATSHRINK, CODER_STORED, IMAGE_BYTES_MAX, type MemoryClass } from '@countersign/device-sdk/delta';
import { align, type Copy } from './align.ts';
import { applyDelta } from './apply.ts';
import { assemble, type Candidate, type Source } from './assemble.ts';
import { CODER_NAMES, LIMITS, PREDICTOR_NAMES } from './class-limits.ts';
import { type Spent, writeCommands } from './commands.ts';
import { composeCopies } from './compose.ts';
import { findMatches, heatshrink } from './heatshrink.ts';
import { type Found, findModel } from './model/find.ts';
import { type Fitting, fit, type Model, NO_MODEL } from './model/fitting.ts';
import { findRuns } from './model/runs.ts';
import { suffixArray } from './suffix-array.ts';

export interface MakeOptions {
  class: MemoryClass;
  /**
   * Output bytes between two checkpoints, a power of two of at least 4 KB; 0 for none. Left out, the encoder takes the
   * densest of 16 KB, 64 KB, 256 KB, 1 MB that makes the container at most 3 % larger.
   */
  checkpointBytes?: number;
  /** The image of a release between the two: where code went by way of it is tried as a further alignment. */
  through?: Uint8Array;
}

export interface MadeInfo {
  kind: 'delta' | 'full';
  /** Whether the alignment is one of the two images, or composed through the image between; none for kind full. */
  alignment: 'direct' | 'composed' | 'none';
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
}

export interface Made {
  delta: Uint8Array;
  info: MadeInfo;
}

const CHECKPOINTS = [1 << 14, 1 << 16, 1 << 18, 1 << 20];
/** What checkpoints may cost: a small delta is downloaded again in less time than they would add to each download. */
const CHECKPOINT_SHARE_MAX = 1 / 32;
const LOOKAHEADS = [3, 4, 5, 6, 8];
/** Most runs of the map that are kept for RAM. */
const RAM_RUNS_SHARE = 1 / 4;

/**
 * The smallest container that turns `old` into `fresh` on a device of this class; of kind full where that is smaller.
 * @throws Refusal TOO_LARGE for images of 1 GiB or more; INTERNAL if a candidate decodes to another image
 */
export function makeDelta(old: Uint8Array, fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(old);
  checkSize(fresh);
  const full = makeFull(fresh, options);
  const direct = makeAligned(old, fresh, align(old, fresh, suffixArray(old)), options, 'direct');
  const made = [direct, full];
  if (options.through) {
    const copies = composed(old, options.through, fresh);
    made.push(makeAligned(old, fresh, copies, options, 'composed'));
  }
  return made.reduce((best, other) => (other.delta.length < best.delta.length ? other : best), full);
}

function makeAligned(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: Copy[],
  options: MakeOptions,
  alignment: 'direct' | 'composed',
): Made {
  const { delta, info } = make({ kind: 'delta', old, fresh, copies }, options, findModel(old, fresh, copies));
  return { delta, info: { ...info, alignment } };
}

function composed(old: Uint8Array, middle: Uint8Array, fresh: Uint8Array): Copy[] {
  checkSize(middle);
  return composeCopies(align(old, middle, suffixArray(old)), align(middle, fresh, suffixArray(middle)));
}

/** The compressed full image. @throws as {@link makeDelta} */
export function makeFull(fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(fresh);
  return make({ kind: 'full', old: new Uint8Array(), fresh, copies: [] }, options, undefined);
}

function checkSize(image: Uint8Array): void {
  demand(image.length <= IMAGE_BYTES_MAX, 'TOO_LARGE', `an image of ${image.length} bytes`);
}

function make(source: Source, options: MakeOptions, found: Found | undefined): Made {
  checkInterval(options.checkpointBytes);
  const candidates = candidatesOf(source, options.class, found);
  const blockBytes = options.checkpointBytes ?? 0;
  let best: { candidate: Candidate; bytes: number } | undefined;
  for (const candidate of candidates) {
    const bytes = assemble(source, options.class, candidate, blockBytes).container.length;
    if (best === undefined || bytes < best.bytes) best = { candidate, bytes };
  }
  const { candidate } = best!;
  const chosen = chooseCheckpoints(source, options, candidate);
  const decoded = applyDelta(chosen.container, source.old);
  demand(Buffer.compare(decoded, source.fresh) === 0, 'INTERNAL', 'a container decodes to another image');
  const info: MadeInfo = {
    kind: source.kind,
    alignment: 'none',
    class: options.class,
    predictor: PREDICTOR_NAMES[candidate.predictor]!,
    coder: CODER_NAMES[candidate.coder]!,
    windowBits: candidate.windowBits,
    lookaheadBits: candidate.lookaheadBits,
    checkpointBytes: chosen.blockBytes,
    workspaceBytes: chosen.workspaceBytes,
    candidates: candidates.length + chosen.candidates,
    spent: chosen.spent,
  };
  return { delta: chosen.container, info };
}

function checkInterval(bytes: number | undefined): void {
  if (bytes === undefined || bytes === 0) return;
  const fits = Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 1 << 28;
  if (!fits) throw new RangeError(`checkpointBytes ${bytes}: expected 0 or a power of two from 4096 to 2^28`);
}

function candidatesOf(source: Source, memoryClass: MemoryClass, found: Found | undefined): Candidate[] {
  const limits = LIMITS[memoryClass];
  const models: Model[] = [NO_MODEL];
  if (found !== undefined) models.push(withRuns(found, limits.runs));
  return models.flatMap((model) => {
    const fitting = fit(model, limits.learned, source.old, source.fresh.length);
    const { predictor } = model;
    const ranged = limits.ranged === undefined ? [] : [{ ...limits.ranged, predictor, fitting }];
    return [bestShape(source, memoryClass, predictor, fitting), ...ranged];
  });
}

function withRuns({ model, votes }: Found, runsMax: number): Model {
  const ramRuns = findRuns(votes.ram, Math.floor(runsMax * RAM_RUNS_SHARE));
  return { ...model, runs: findRuns(votes.image, runsMax - ramRuns.length), ramRuns };
}

/** Window and lookahead are chosen on one block: where the blocks end hardly changes which of them is best. */
function bestShape(source: Source, memoryClass: MemoryClass, predictor: number, fitting: Fitting): Candidate {
  const guide = predictor === 0 ? undefined : fitting;
  const [block = new Uint8Array()] = writeCommands(source.old, source.fresh, source.copies, 0, guide).blocks;
  const stored = { coder: CODER_STORED, windowBits: 0, lookaheadBits: 0, predictor, fitting };
  let best: { candidate: Candidate; bytes: number } = {
    candidate: stored,
    bytes: predictor === 0 ? block.length : Number.POSITIVE_INFINITY,
  };
  for (const windowBits of LIMITS[memoryClass].windows) {
    const matches = findMatches(block, windowBits, 256);
    for (const lookaheadBits of LOOKAHEADS.filter((bits) => bits < windowBits)) {
      const bytes = heatshrink(block, matches, lookaheadBits).length;
      const candidate = { coder: CODER_HEATSHRINK, windowBits, lookaheadBits, predictor, fitting };
      if (bytes < best.bytes) best = { candidate, bytes };
    }
  }
  return best.candidate;
}

interface Chosen {
  container: Uint8Array;
  workspaceBytes: number;
  blockBytes: number;
  spent: Spent;
  candidates: number;
}

function chooseCheckpoints(source: Source, options: MakeOptions, candidate: Candidate): Chosen {
  const { checkpointBytes } = options;
  if (checkpointBytes !== undefined) {
    return { ...assemble(source, options.class, candidate, checkpointBytes), candidates: 0 };
  }
  const plain = assemble(source, options.class, candidate, 0);
  const most = plain.container.length * (1 + CHECKPOINT_SHARE_MAX);
  let candidates = 0;
  for (const blockBytes of CHECKPOINTS.filter((bytes) => bytes < source.fresh.length)) {
    candidates++;
    const cut = assemble(source, options.class, candidate, blockBytes);
    if (cut.container.length <= most) return { ...cut, candidates };
  }
  return { ...plain, candidates };
}
