import { OLD_BUFFER_BYTES, STATE_BYTES } from './classes.ts';
import { coderPart, cpuPart, type DecoderPart } from './parts.ts';

/** What the size of a workspace depends on: fields of the header. */
export interface WorkspaceNeed {
  predictor: number;
  coder: number;
  windowBits: number;
  lookaheadBits: number;
  pageBits: number;
  mapRuns: number;
  learnedEntries: number;
}

/** Parts of the workspace behind the state, in their order. Each begins at a multiple of 4. */
export function workspaceParts(
  need: WorkspaceNeed,
  decoders: readonly DecoderPart[],
): { tables: number; model: number; queue: number } {
  const coder = coderPart(decoders, need.coder);
  const window = need.windowBits === 0 ? 0 : 2 ** need.windowBits;
  return {
    tables: coder?.tablesBytes(need) ?? window,
    model: (coder ?? cpuPart(decoders, need.predictor))?.model.bytes(need) ?? 0,
    queue: coder?.queueBytes ?? 0,
  };
}

/** Workspace a container needs: the same sum in every implementation (FORMAT-DELTA, header, rule 2). */
export function workspaceBytes(need: WorkspaceNeed, decoders: readonly DecoderPart[]): number {
  const { tables, model, queue } = workspaceParts(need, decoders);
  return STATE_BYTES + tables + model + queue + OLD_BUFFER_BYTES + 2 ** need.pageBits;
}
