/** One alignment as the smallest container that the class allows, decoded again and compared. */
import { demand } from '@countersign/device-sdk';
import { PREDICTOR_NAMES } from '@countersign/device-sdk/delta/model';
import { applyDelta } from './apply.ts';
import { assemble, type Candidate, type Source } from './assemble.ts';
import { candidatesOf } from './candidates.ts';
import { CODER_NAMES } from './class-limits.ts';
import type { Spent } from './commands.ts';
import type { Made, MadeInfo, MakeOptions } from './made.ts';
import type { Found } from './model/find.ts';

const CHECKPOINTS = [1 << 14, 1 << 16, 1 << 18, 1 << 20];
/** What checkpoints may cost: a small delta is downloaded again in less time than they would add to each download. */
const CHECKPOINT_SHARE_MAX = 1 / 32;

/** @throws Refusal INTERNAL if it decodes to another image */
export function smallestOf(source: Source, options: MakeOptions, found: Found | undefined): Made {
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
