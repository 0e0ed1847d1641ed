/** One candidate as a container: header, model section, coded blocks. */
import { demand } from '@countersign/device-sdk';
import {
  BlockOrder,
  CLASS_BYTES,
  CODER_HEATSHRINK,
  CODER_LITE,
  CODER_MIXING,
  type Direction,
  type MemoryClass,
  workspaceBytes,
} from '@countersign/device-sdk/delta';
import type { Copy } from './align.ts';
import { LIMITS } from './class-limits.ts';
import { type Spent, writeCommands } from './commands.ts';
import { type HeaderFields, tagOf, writeHeader } from './header.ts';
import { findMatches, heatshrink } from './heatshrink.ts';
import type { Fitting } from './model/fitting.ts';
import { writeRanged } from './ranged.ts';
import { remainingCopies } from './remaining.ts';

export interface Source {
  kind: 'delta' | 'full';
  old: Uint8Array;
  fresh: Uint8Array;
  copies: readonly Copy[];
  /** For a device that writes the image over its own base: the way its blocks come. */
  inPlace?: Direction;
}

/** A coder with its parameters, and a model. */
export interface Candidate {
  coder: number;
  windowBits: number;
  lookaheadBits: number;
  predictor: number;
  fitting: Fitting;
}

export interface Assembled {
  container: Uint8Array;
  workspaceBytes: number;
  /** Output bytes between two checkpoints; 0 for none. */
  blockBytes: number;
  spent: Spent;
}

/** @throws Refusal INTERNAL if the candidate does not fit the class */
export function assemble(
  source: Source,
  memoryClass: MemoryClass,
  candidate: Candidate,
  checkpointBytes: number,
): Assembled {
  return assembleWithin(source, memoryClass, candidate, checkpointBytes, Number.POSITIVE_INFINITY)!;
}

/** Nothing if the container would be longer than `most` bytes. @throws as {@link assemble} */
export function assembleWithin(
  source: Source,
  memoryClass: MemoryClass,
  candidate: Candidate,
  checkpointBytes: number,
  most: number,
): Assembled | undefined {
  const { kind, old, fresh } = source;
  const { coder, windowBits, lookaheadBits, predictor, fitting } = candidate;
  const { pageBits } = LIMITS[memoryClass];
  // A checkpoint that is never reached would only look like one.
  const blockBytes = checkpointBytes < fresh.length ? checkpointBytes : 0;
  const order = new BlockOrder(fresh.length, blockBytes || Math.max(1, fresh.length), source.inPlace);
  const copies = source.inPlace ? remainingCopies(source.copies, order, old.length) : source.copies;
  const coded = code({ old, fresh, copies }, candidate, order, most - fitting.section.length);
  if (!coded) return undefined;
  const { blocks, spent } = coded;
  const { mapRuns, learnedEntries, section } = fitting;
  const needs = { predictor, coder, windowBits, lookaheadBits, pageBits, mapRuns, learnedEntries };
  const header: HeaderFields = {
    ...needs,
    kind,
    inPlace: source.inPlace,
    class: memoryClass,
    checkpointBits: blockBytes === 0 ? 0 : Math.log2(blockBytes),
    workspaceBytes: workspaceBytes(needs),
    modelBytes: section.length,
    newBytes: fresh.length,
    oldBytes: old.length,
    oldTag: kind === 'full' ? new Uint8Array() : tagOf(old),
    newTag: tagOf(fresh),
  };
  demand(header.workspaceBytes <= CLASS_BYTES[memoryClass], 'INTERNAL', `class ${memoryClass} has too large tables`);
  const container = new Uint8Array(Buffer.concat([writeHeader(header), section, ...blocks]));
  if (container.length > most) return undefined;
  return { container, workspaceBytes: header.workspaceBytes, blockBytes, spent };
}

type Images = Pick<Source, 'old' | 'fresh' | 'copies'>;

interface Coded {
  blocks: Uint8Array[];
  spent: Spent;
}

/** Nothing where a coder that knows it on the way would need more than `most` bytes. */
function code(images: Images, candidate: Candidate, order: BlockOrder, most: number): Coded | undefined {
  const { coder, fitting, predictor, windowBits, lookaheadBits } = candidate;
  if (coder === CODER_LITE || coder === CODER_MIXING) {
    return writeRanged(images, candidate, order, fitting, most);
  }
  const guide = predictor === 0 ? undefined : fitting;
  const { blocks, spent } = writeCommands(images, order, guide);
  if (coder !== CODER_HEATSHRINK) return { blocks, spent };
  const coded = blocks.map((block) =>
    heatshrink(block, findMatches(block, windowBits, 1 << lookaheadBits), lookaheadBits),
  );
  return { blocks: coded, spent };
}
