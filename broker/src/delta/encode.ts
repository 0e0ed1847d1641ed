/**
 * Makes deltas: every candidate that the memory class allows is built, the smallest is decoded again with the decoder
 * that devices run, and compared. A delta that is not smaller than the compressed full image does not ship.
 */
import { demand } from '@countersign/device-sdk';
import {
  CLASS_BYTES,
  CODER_HEATSHRINK,
  CODER_STORED,
  IMAGE_BYTES_MAX,
  type MemoryClass,
  PREDICTOR_NONE,
  workspaceBytes,
} from '@countersign/device-sdk/delta';
import { align, type Copy } from './align.ts';
import { applyDelta } from './apply.ts';
import { type Spent, writeCommands } from './commands.ts';
import { type HeaderFields, tagOf, writeHeader } from './header.ts';
import { findMatches, heatshrink } from './heatshrink.ts';
import { suffixArray } from './suffix-array.ts';

export interface MakeOptions {
  class: MemoryClass;
  /**
   * Output bytes between two checkpoints, a power of two of at least 4 KB; 0 for none. Left out, the encoder takes the
   * densest of 16 KB, 64 KB, 256 KB, 1 MB that makes the container at most 3 % larger.
   */
  checkpointBytes?: number;
}

export interface MadeInfo {
  kind: 'delta' | 'full';
  class: MemoryClass;
  predictor: 'none';
  coder: 'stored' | 'heatshrink';
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
/** Page and windows by class: what fits its workspace beside the state. */
const SHAPES: Record<MemoryClass, { pageBits: number; windows: number[] }> = {
  S: { pageBits: 8, windows: [8, 9, 10, 11] },
  M: { pageBits: 9, windows: [8, 9, 10, 11, 12] },
  L: { pageBits: 10, windows: [8, 9, 10, 11, 13] },
  XL: { pageBits: 12, windows: [8, 9, 10, 11, 13, 15] },
  G: { pageBits: 12, windows: [8, 9, 10, 11, 13, 15] },
};

interface Source {
  kind: 'delta' | 'full';
  old: Uint8Array;
  fresh: Uint8Array;
  copies: readonly Copy[];
}

interface Shape {
  windowBits: number;
  lookaheadBits: number;
}

const STORED: Shape = { windowBits: 0, lookaheadBits: 0 };

/**
 * The smallest container that turns `old` into `fresh` on a device of this class; of kind full where that is smaller.
 * @throws Refusal TOO_LARGE for images of 1 GiB or more; INTERNAL if a candidate decodes to another image
 */
export function makeDelta(old: Uint8Array, fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(old);
  checkSize(fresh);
  const full = makeFull(fresh, options);
  const copies = align(old, fresh, suffixArray(old));
  const delta = make({ kind: 'delta', old, fresh, copies }, options);
  return delta.delta.length < full.delta.length ? delta : full;
}

/** The compressed full image. @throws as {@link makeDelta} */
export function makeFull(fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(fresh);
  return make({ kind: 'full', old: new Uint8Array(), fresh, copies: [] }, options);
}

function checkSize(image: Uint8Array): void {
  demand(image.length <= IMAGE_BYTES_MAX, 'TOO_LARGE', `an image of ${image.length} bytes`);
}

function make(source: Source, options: MakeOptions): Made {
  checkInterval(options.checkpointBytes);
  const { shape, candidates } = bestShape(source, options.class);
  const chosen = chooseCheckpoints(source, options, shape);
  const decoded = applyDelta(chosen.container, source.old);
  demand(Buffer.compare(decoded, source.fresh) === 0, 'INTERNAL', 'a container decodes to another image');
  const info: MadeInfo = {
    kind: source.kind,
    class: options.class,
    predictor: 'none',
    coder: shape === STORED ? 'stored' : 'heatshrink',
    ...shape,
    checkpointBytes: chosen.blockBytes,
    workspaceBytes: workspaceBytes({ ...shape, pageBits: SHAPES[options.class].pageBits }),
    candidates: candidates + chosen.candidates,
    spent: chosen.spent,
  };
  return { delta: chosen.container, info };
}

function checkInterval(bytes: number | undefined): void {
  if (bytes === undefined || bytes === 0) return;
  const fits = Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 1 << 28;
  if (!fits) throw new RangeError(`checkpointBytes ${bytes}: expected 0 or a power of two from 4096 to 2^28`);
}

/** Window and lookahead are chosen on one block: where the blocks end hardly changes which of them is best. */
function bestShape(source: Source, memoryClass: MemoryClass): { shape: Shape; candidates: number } {
  const [block = new Uint8Array()] = writeCommands(source.old, source.fresh, source.copies, 0).blocks;
  let best: { shape: Shape; bytes: number } = { shape: STORED, bytes: block.length };
  let candidates = 1;
  for (const windowBits of SHAPES[memoryClass].windows) {
    const matches = findMatches(block, windowBits, 256);
    for (const lookaheadBits of LOOKAHEADS.filter((bits) => bits < windowBits)) {
      const bytes = heatshrink(block, matches, lookaheadBits).length;
      if (bytes < best.bytes) best = { shape: { windowBits, lookaheadBits }, bytes };
      candidates++;
    }
  }
  return { shape: best.shape, candidates };
}

interface Chosen {
  container: Uint8Array;
  blockBytes: number;
  spent: Spent;
  candidates: number;
}

function chooseCheckpoints(source: Source, options: MakeOptions, shape: Shape): Chosen {
  const { checkpointBytes } = options;
  if (checkpointBytes !== undefined)
    return { ...assemble(source, options.class, shape, checkpointBytes), candidates: 0 };
  const plain = assemble(source, options.class, shape, 0);
  const most = plain.container.length * (1 + CHECKPOINT_SHARE_MAX);
  let candidates = 0;
  for (const blockBytes of CHECKPOINTS.filter((bytes) => bytes < source.fresh.length)) {
    candidates++;
    const cut = assemble(source, options.class, shape, blockBytes);
    if (cut.container.length <= most) return { ...cut, candidates };
  }
  return { ...plain, candidates };
}

function assemble(
  source: Source,
  memoryClass: MemoryClass,
  shape: Shape,
  checkpointBytes: number,
): Omit<Chosen, 'candidates'> {
  const { kind, old, fresh } = source;
  const { pageBits } = SHAPES[memoryClass];
  // A checkpoint that is never reached would only look like one.
  const blockBytes = checkpointBytes < fresh.length ? checkpointBytes : 0;
  const { blocks, spent } = writeCommands(old, fresh, source.copies, blockBytes);
  const header: HeaderFields = {
    kind,
    class: memoryClass,
    predictor: PREDICTOR_NONE,
    coder: shape === STORED ? CODER_STORED : CODER_HEATSHRINK,
    ...shape,
    pageBits,
    checkpointBits: blockBytes === 0 ? 0 : Math.log2(blockBytes),
    workspaceBytes: workspaceBytes({ ...shape, pageBits }),
    modelBytes: 0,
    mapRuns: 0,
    learnedEntries: 0,
    newBytes: fresh.length,
    oldBytes: old.length,
    oldTag: kind === 'full' ? new Uint8Array() : tagOf(old),
    newTag: tagOf(fresh),
  };
  demand(header.workspaceBytes <= CLASS_BYTES[memoryClass], 'INTERNAL', `class ${memoryClass} has too large a window`);
  const container = Buffer.concat([writeHeader(header), ...blocks.map((block) => code(block, shape))]);
  return { container: new Uint8Array(container), blockBytes, spent };
}

function code(block: Uint8Array, shape: Shape): Uint8Array {
  if (shape === STORED) return block;
  return heatshrink(block, findMatches(block, shape.windowBits, 1 << shape.lookaheadBits), shape.lookaheadBits);
}
