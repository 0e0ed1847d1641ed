/** The alignments that compete: each with the model that was found along it. */
import { align, type Copy } from './align.ts';
import { composeCopies } from './compose.ts';
import type { AlignmentName, GivenAlignment } from './made.ts';
import { type Found, findModel, type Hints } from './model/find.ts';
import { findRuns } from './model/runs.ts';
import { imagesAsSeen } from './model/seen.ts';
import { suffixArray } from './suffix-array.ts';

export interface Alignment {
  name: Exclude<AlignmentName, 'none'>;
  copies: readonly Copy[];
  /** Undefined where there is nothing to predict. */
  found: Found | undefined;
}

interface Update {
  old: Uint8Array;
  fresh: Uint8Array;
  hints: Hints;
}

/** Runs of the maps by which the images are seen: no device holds this map, so that it may be long. */
const SEEN_RUNS_MAX = 512;
const SEEN_RAM_RUNS_MAX = 64;

/**
 * The bytes as they are; then the images as a first model sees them: a copy that leaves only what the model cannot know
 * is longer and straighter than one of equal bytes.
 */
export function alignmentsOf(
  old: Uint8Array,
  fresh: Uint8Array,
  more: { through?: Uint8Array; given?: readonly GivenAlignment[] },
  hints: Hints = {},
): Alignment[] {
  const update = { old, fresh, hints };
  if (more.given) return more.given.map(({ name, copies }) => withModel(name, update, copies));
  const list = pairOf('plain', 'predicted', update, align(old, fresh, suffixArray(old)));
  if (more.through) list.push(...pairOf('composed', 'composed', update, composed(old, more.through, fresh)));
  return list;
}

/** An alignment, and the one that its model leads to. */
function pairOf(
  first: Alignment['name'],
  second: Alignment['name'],
  update: Update,
  copies: readonly Copy[],
): Alignment[] {
  const { old, fresh } = update;
  const start = withModel(first, update, copies);
  if (!start.found) return [start];
  // What the program is and where it lies has been found; only what moved in it is found again.
  const { predictor, pointers, old: regions } = start.found.model;
  const hints = { ...update.hints, predictor, ...(pointers && { base: regions[0]!.address }) };
  return [start, withModel(second, { ...update, hints }, alignAsSeen(old, fresh, copies, start.found))];
}

function withModel(name: Alignment['name'], { old, fresh, hints }: Update, copies: readonly Copy[]): Alignment {
  return { name, copies, found: findModel(old, fresh, copies, hints) };
}

function alignAsSeen(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[], { model, votes }: Found): Copy[] {
  const runs = findRuns(votes.image, SEEN_RUNS_MAX);
  const ramRuns = findRuns(votes.ram, SEEN_RAM_RUNS_MAX);
  const seen = imagesAsSeen({ ...model, runs, ramRuns }, { old, fresh }, copies);
  return align(seen.old, seen.fresh, suffixArray(seen.old));
}

function composed(old: Uint8Array, middle: Uint8Array, fresh: Uint8Array): Copy[] {
  return composeCopies(align(old, middle, suffixArray(old)), align(middle, fresh, suffixArray(middle)));
}
