/** The readers of containers for servers and tools, which know every coder and every instruction set. */
import { EVERY_DECODER } from './decoders.ts';
import type { DeltaHeader } from './fields.ts';
import { readHeader as read, readWholeHeader as readWhole } from './header.ts';
import { NoCpu } from './model/cpu/none.ts';
import type { Cpu } from './model/unit.ts';
import { cpuPart } from './parts.ts';
import { workspaceBytes as bytesOf, workspaceParts as partsOf, type WorkspaceNeed } from './workspace.ts';

/** @throws Refusal as of the decoder's own reader; undefined while `bytes` is too short to hold a whole header */
export function readHeader(bytes: Uint8Array): DeltaHeader | undefined {
  return read(bytes, EVERY_DECODER);
}

/** @throws Refusal as of {@link readHeader}; BAD_DELTA where `bytes` end inside the header */
export function readWholeHeader(bytes: Uint8Array): DeltaHeader {
  return readWhole(bytes, EVERY_DECODER);
}

/** Workspace a container needs, in bytes. */
export function workspaceBytes(need: WorkspaceNeed): number {
  return bytesOf(need, EVERY_DECODER);
}

export function workspaceParts(need: WorkspaceNeed): ReturnType<typeof partsOf> {
  return partsOf(need, EVERY_DECODER);
}

/** The instruction set of a predictor; aligned words for none. @param registers {@link REGISTER_WORDS} words */
export function cpuOf(predictor: number, registers: Uint32Array): Cpu {
  return cpuPart(EVERY_DECODER, predictor)?.cpu(registers) ?? new NoCpu();
}
