/** The coders, with and without a model, that a memory class allows for one alignment. */
import { BlockOrder, CODER_HEATSHRINK, CODER_STORED, type MemoryClass } from '@countersign/device-sdk/delta';
import type { Candidate, Source } from './assemble.ts';
import { CHOICES } from './choices.ts';
import { LIMITS } from './class-limits.ts';
import { writeCommands } from './commands.ts';
import { findMatches, heatshrink } from './heatshrink.ts';
import type { Found } from './model/find.ts';
import { type Fitting, fit, type Model, NO_MODEL } from './model/fitting.ts';
import { findRuns } from './model/runs.ts';

const LOOKAHEADS = [3, 4, 5, 6, 8];

export function withoutModel(source: Source, memoryClass: MemoryClass): Candidate[] {
  return candidates(source, memoryClass, NO_MODEL);
}

export function withModel(source: Source, memoryClass: MemoryClass, found: Found): Candidate[] {
  return candidates(source, memoryClass, withRuns(found, LIMITS[memoryClass].runs));
}

function candidates(source: Source, memoryClass: MemoryClass, model: Model): Candidate[] {
  const { learned, ranged } = LIMITS[memoryClass];
  const fitting = fit(model, learned, source.old, source.fresh.length);
  const { predictor } = model;
  const coded = ranged === undefined ? [] : [{ ...ranged, predictor, fitting }];
  return [bestShape(source, memoryClass, predictor, fitting), ...coded];
}

function withRuns({ model, votes }: Found, runsMax: number): Model {
  const ramRuns = findRuns(votes.ram, Math.floor(runsMax * CHOICES.ramRunsShare));
  return { ...model, runs: findRuns(votes.image, runsMax - ramRuns.length), ramRuns };
}

/** Window and lookahead are chosen on one block: where the blocks end hardly changes which of them is best. */
function bestShape(source: Source, memoryClass: MemoryClass, predictor: number, fitting: Fitting): Candidate {
  const guide = predictor === 0 ? undefined : fitting;
  const whole = new BlockOrder(source.fresh.length, Math.max(1, source.fresh.length));
  const [block = new Uint8Array()] = writeCommands(source, whole, guide).blocks;
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
