/** All alignments as the smallest container that the class allows, decoded again and compared. */
import { demand } from '@countersign/device-sdk';
import { CODER_MIXING, LEARNED_BITS_MIN, LEARNED_PER_NEW_MAX } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES } from '@countersign/device-sdk/delta/model';
import type { Alignment } from './alignments.ts';
import { applyDelta } from './apply.ts';
import { type Assembled, assembleWithin, type Candidate, type Source } from './assemble.ts';
import { withModel, withoutModel } from './candidates.ts';
import { CODER_NAMES, LIMITS } from './class-limits.ts';
import type { Spent } from './commands.ts';
import { type AlignmentName, IN_PLACE_BYTES, type Made, type MadeInfo, type MakeOptions } from './made.ts';
import type { Progress } from './progress.ts';

const CHECKPOINTS = [1 << 14, 1 << 16, 1 << 18, 1 << 20];
/** What checkpoints may cost: a small delta is downloaded again in less time than they would add to each download. */
const CHECKPOINT_SHARE_MAX = 1 / 32;
/** What learning from the old image must save: a desktop spends four seconds of processor time on each megabyte. */
const LEARNED_SHARE_MIN = 1 / 64;

/** @throws Refusal INTERNAL if it decodes to another image */
export function smallestDelta(
  old: Uint8Array,
  fresh: Uint8Array,
  alignments: readonly Alignment[],
  options: MakeOptions,
  progress: Progress,
): Made {
  const entries = alignments.flatMap(({ name, copies, found }): Entry[] => {
    const source: Source = { kind: 'delta', old, fresh, copies };
    // Without a model only the bytes as they are make sense.
    const unpredicted = name === 'predicted' ? [] : withoutModel(source, options.class);
    const predicted = found ? withModel(source, options.class, found) : [];
    const candidates = [...unpredicted, ...predicted];
    return placesOf(source, options).flatMap((placed) =>
      candidates.map((candidate) => ({ alignment: name, source: placed, candidate })),
    );
  });
  return smallestOf(entries, options, progress)!;
}

/**
 * Nothing if it is not below `below` bytes: mostly it is not, and then its checkpoints need not be looked for.
 * @throws as {@link smallestDelta}
 */
export function smallestFull(
  fresh: Uint8Array,
  options: MakeOptions,
  progress: Progress,
  below = Number.POSITIVE_INFINITY,
): Made | undefined {
  const source: Source = { kind: 'full', old: new Uint8Array(), fresh, copies: [] };
  const candidates = withoutModel(source, options.class);
  return smallestOf(
    candidates.map((candidate) => ({ alignment: 'none', source, candidate })),
    options,
    progress,
    below,
  );
}

interface Entry {
  alignment: AlignmentName;
  source: Source;
  candidate: Candidate;
}

function smallestOf(
  entries: readonly Entry[],
  options: MakeOptions,
  progress: Progress,
  below = Number.POSITIVE_INFINITY,
): Made | undefined {
  progress.plan(entries.length);
  checkInterval(options.checkpointBytes);
  const blockBytes = intervalOf(options) ?? 0;
  let best: { entry: Entry; made: Assembled } | undefined;
  for (const entry of entries) {
    const most = (best?.made.container.length ?? below) - 1;
    const made = assembleWithin(entry.source, options.class, entry.candidate, blockBytes, most);
    if (made) best = { entry, made };
    const bytes = made ? `${made.container.length} bytes` : `more than ${most} bytes`;
    progress.step(`${entry.source.kind}, ${nameOf(entry)}: ${bytes}`);
  }
  if (!best) return undefined;
  const { alignment, source } = best.entry;
  const start = learned(source, options, best.entry.candidate, best.made);
  const { candidate } = start;
  progress.note('placing checkpoints, decoding again');
  const chosen = chooseCheckpoints(source, options, start);
  if (chosen.container.length >= below) return undefined;
  const decoded = applyDelta(chosen.container, source.old);
  demand(Buffer.compare(decoded, source.fresh) === 0, 'INTERNAL', 'a container decodes to another image');
  const info: MadeInfo = {
    kind: source.kind,
    alignment,
    inPlace: source.inPlace,
    class: options.class,
    predictor: PREDICTOR_NAMES[candidate.predictor]!,
    coder: CODER_NAMES[candidate.coder]!,
    windowBits: candidate.windowBits,
    lookaheadBits: candidate.lookaheadBits,
    checkpointBytes: chosen.blockBytes,
    workspaceBytes: chosen.workspaceBytes,
    candidates: entries.length + chosen.candidates,
    spent: chosen.spent,
    notes: [],
  };
  return { delta: chosen.container, info };
}

/** A candidate in a line for people. */
function nameOf({ alignment, candidate: { coder, predictor } }: Entry): string {
  const names = [CODER_NAMES[coder], PREDICTOR_NAMES[predictor], alignment];
  return names.filter((name) => name !== 'none').join(', ');
}

/** In place both ways are tried; a full image has no base that would be lost. */
function placesOf(source: Source, { inPlace }: MakeOptions): Source[] {
  if (!inPlace || source.kind === 'full') return [source];
  return [
    { ...source, inPlace: 'forward' },
    { ...source, inPlace: 'backward' },
  ];
}

function intervalOf({ checkpointBytes, inPlace }: MakeOptions): number | undefined {
  return checkpointBytes ?? (inPlace ? IN_PLACE_BYTES : undefined);
}

function checkInterval(bytes: number | undefined): void {
  if (bytes === undefined || bytes === 0) return;
  const fits = Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 1 << 28;
  if (!fits) throw new RangeError(`checkpointBytes ${bytes}: expected 0 or a power of two from 4096 to 2^28`);
}

/** A candidate, and what it makes at the interval that is asked for, or without one. */
interface Start {
  candidate: Candidate;
  made: Assembled;
}

/** The same candidate with literals that know the old image, if that pays for the time it takes. */
function learned(source: Source, options: MakeOptions, candidate: Candidate, made: Assembled): Start {
  const { oldBits = 0 } = LIMITS[options.class];
  const { old, fresh } = source;
  // All of the old image, or the largest power of two that the size of the new one allows.
  const allowed = LEARNED_PER_NEW_MAX * fresh.length;
  const wanted = old.length <= allowed ? Math.ceil(Math.log2(old.length)) : Math.floor(Math.log2(allowed));
  const bits = Math.min(oldBits, wanted);
  if (candidate.coder !== CODER_MIXING || bits < LEARNED_BITS_MIN) return { candidate, made };
  const blockBytes = intervalOf(options) ?? 0;
  const other = { ...candidate, lookaheadBits: bits };
  const worth = Math.ceil(made.container.length * (1 - LEARNED_SHARE_MIN)) - 1;
  const learning = assembleWithin(source, options.class, within(other, blockBytes), blockBytes, worth);
  return learning ? { candidate: other, made: learning } : { candidate, made };
}

/** A block learns from no more bytes than it produces. */
function within(candidate: Candidate, blockBytes: number): Candidate {
  if (candidate.coder !== CODER_MIXING || blockBytes === 0) return candidate;
  return { ...candidate, lookaheadBits: Math.min(candidate.lookaheadBits, Math.log2(blockBytes)) };
}

interface Chosen {
  container: Uint8Array;
  workspaceBytes: number;
  blockBytes: number;
  spent: Spent;
  candidates: number;
}

/**
 * The densest of the intervals that costs little, found by halving: denser ones cost more, and each trial of the largest
 * coder takes seconds.
 */
function chooseCheckpoints(source: Source, options: MakeOptions, { candidate, made }: Start): Chosen {
  if (intervalOf(options) !== undefined) return { ...made, candidates: 0 };
  const most = Math.floor(made.container.length * (1 + CHECKPOINT_SHARE_MAX));
  const intervals = CHECKPOINTS.filter((bytes) => bytes < source.fresh.length);
  let best = made;
  let candidates = 0;
  for (let from = 0, to = intervals.length; from < to; ) {
    const middle = (from + to) >> 1;
    const blockBytes = intervals[middle]!;
    const cut = assembleWithin(source, options.class, within(candidate, blockBytes), blockBytes, most);
    candidates++;
    if (cut) best = cut;
    if (cut) to = middle;
    else from = middle + 1;
  }
  return { ...best, candidates };
}
