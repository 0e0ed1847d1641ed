/** One alignment as the smallest container that the class allows, decoded again and compared. */
import { demand } from '@countersign/device-sdk';
import { CODER_MIXING } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES, RICH_BITS } from '@countersign/device-sdk/delta/model';
import { applyDelta } from './apply.ts';
import { assemble, type Candidate, type Source } from './assemble.ts';
import { candidatesOf } from './candidates.ts';
import { CODER_NAMES } from './class-limits.ts';
import type { Spent } from './commands.ts';
import { IN_PLACE_BYTES, type Made, type MadeInfo, type MakeOptions } from './made.ts';
import type { Found } from './model/find.ts';

const CHECKPOINTS = [1 << 14, 1 << 16, 1 << 18, 1 << 20];
/** What checkpoints may cost: a small delta is downloaded again in less time than they would add to each download. */
const CHECKPOINT_SHARE_MAX = 1 / 32;

/** @throws Refusal INTERNAL if it decodes to another image */
export function smallestOf(source: Source, options: MakeOptions, found: Found | undefined): Made {
  checkInterval(options.checkpointBytes);
  const candidates = candidatesOf(source, options.class, found).map((candidate) => fitting(candidate, options));
  const blockBytes = intervalOf(options) ?? 0;
  let best: { candidate: Candidate; placed: Source; bytes: number } | undefined;
  for (const placed of placesOf(source, options)) {
    for (const candidate of candidates) {
      const bytes = assemble(placed, options.class, candidate, blockBytes).container.length;
      if (best === undefined || bytes < best.bytes) best = { candidate, placed, bytes };
    }
  }
  const { candidate, placed } = best!;
  const chosen = chooseCheckpoints(placed, options, candidate);
  const decoded = applyDelta(chosen.container, source.old);
  demand(Buffer.compare(decoded, source.fresh) === 0, 'INTERNAL', 'a container decodes to another image');
  const info: MadeInfo = {
    kind: source.kind,
    alignment: 'none',
    inPlace: placed.inPlace,
    class: options.class,
    predictor: PREDICTOR_NAMES[candidate.predictor]!,
    coder: CODER_NAMES[candidate.coder]!,
    windowBits: candidate.windowBits,
    lookaheadBits: candidate.lookaheadBits,
    checkpointBytes: chosen.blockBytes,
    workspaceBytes: chosen.workspaceBytes,
    candidates: candidates.length * placesOf(source, options).length + chosen.candidates,
    spent: chosen.spent,
  };
  return { delta: chosen.container, info };
}

/** In place both ways are tried; a full image has no base that would be lost. */
function placesOf(source: Source, { inPlace }: MakeOptions): Source[] {
  if (!inPlace || source.kind === 'full') return [source];
  return [
    { ...source, inPlace: 'forward' },
    { ...source, inPlace: 'backward' },
  ];
}

/** The largest tables of the mixing coder come with an index of the whole base, which is not there to the end in place. */
function fitting(candidate: Candidate, { inPlace }: MakeOptions): Candidate {
  if (!inPlace || candidate.coder !== CODER_MIXING) return candidate;
  return { ...candidate, windowBits: Math.min(candidate.windowBits, RICH_BITS - 1) };
}

function intervalOf({ checkpointBytes, inPlace }: MakeOptions): number | undefined {
  return checkpointBytes ?? (inPlace ? IN_PLACE_BYTES : undefined);
}

function checkInterval(bytes: number | undefined): void {
  if (bytes === undefined || bytes === 0) return;
  const fits = Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 1 << 28;
  if (!fits) throw new RangeError(`checkpointBytes ${bytes}: expected 0 or a power of two from 4096 to 2^28`);
}

interface Chosen {
  container: Uint8Array;
  workspaceBytes: number;
  blockBytes: number;
  spent: Spent;
  candidates: number;
}

function chooseCheckpoints(source: Source, options: MakeOptions, candidate: Candidate): Chosen {
  const checkpointBytes = intervalOf(options);
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
