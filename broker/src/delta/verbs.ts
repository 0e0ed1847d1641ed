/** What `countersign delta make` and `apply` do with files. Nothing is left at the output path on a refusal. */
import { demand } from '@countersign/device-sdk';
import { type Direction, type MemoryClass, memoryClass } from '@countersign/device-sdk/delta';
import type { PredictorName } from '@countersign/device-sdk/delta/model';
import { writeDurable } from '../store/durable.ts';
import { applyFile } from './apply-file.ts';
import { applyBsdiff40File } from './bsdiff40/file.ts';
import { APPLY_BYTES, isBsdiff40 } from './bsdiff40/index.ts';
import { checkReadable, checkResult, readBounded, writing } from './files.ts';
import { makeBsdiff40InWorker, makeDeltaInWorker } from './in-worker.ts';
import type { Tell } from './progress.ts';

export interface DeltaMade {
  kind: 'delta' | 'full';
  oldBytes: number;
  newBytes: number;
  deltaBytes: number;
  class: MemoryClass;
  /** Which alignment made the smallest container: made.ts names them. */
  alignment: string;
  predictor: string;
  coder: string;
  /** Output bytes between two checkpoints; 0 for none. */
  checkpointBytes: number;
  /** The way its blocks come in place; null for a slot beside the old image, and for a full image. */
  inPlace: Direction | null;
  workspaceBytes: number;
  /** Sentences on what was left out. */
  notes: readonly string[];
  seconds: number;
}

/**
 * Makes the smallest container of the class and writes it whole or not at all.
 * @throws Refusal NOT_FOUND, TOO_LARGE, UNSUPPORTED (no such class), BAD_REQUEST (the result cannot be
 * written, or would replace an input)
 */
export async function deltaMake(
  paths: {
    oldPath: string;
    newPath: string;
    outPath: string;
    class: string;
    /** As in {@link MakeOptions}. */
    cpu?: PredictorName;
    base?: number;
    /** For a device with one slot, and what is known of it. */
    inPlace?: { slotBytes?: number; pageBytes?: number };
  },
  tell?: Tell,
): Promise<DeltaMade> {
  const start = performance.now();
  const name = memoryClass(paths.class);
  const [old, fresh] = await Promise.all([readBounded(paths.oldPath), readBounded(paths.newPath)]);
  await checkResult(paths.outPath, [paths.oldPath, paths.newPath]);
  const sizes = { oldBytes: old.length, newBytes: fresh.length };
  const { cpu, base, inPlace } = paths;
  const { slotBytes = Infinity, pageBytes } = inPlace ?? {};
  const least = Math.max(old.length, fresh.length);
  demand(least <= slotBytes, 'NO_SPACE', `an image of ${least} bytes, a slot of ${slotBytes}`);
  const placed = { ...(inPlace && { inPlace: true }), ...(pageBytes && { checkpointBytes: pageBytes }) };
  const named = { ...placed, ...(cpu !== undefined && { cpu }), ...(base !== undefined && { base }) };
  const { delta, info } = await makeDeltaInWorker(old, fresh, { class: name, ...named }, tell);
  await writing(paths.outPath, () => writeDurable(paths.outPath, delta));
  const { kind, alignment, predictor, coder, checkpointBytes, workspaceBytes, notes } = info;
  const way = info.inPlace ?? null;
  const made = { class: name, inPlace: way, alignment, predictor, coder, checkpointBytes, workspaceBytes, notes };
  return { kind, ...sizes, deltaBytes: delta.length, ...made, seconds: secondsSince(start) };
}

export interface Bsdiff40Made {
  kind: 'bsdiff40';
  oldBytes: number;
  newBytes: number;
  deltaBytes: number;
  /** No class of devices takes this format: it is for other tools. */
  class: null;
  predictor: 'none';
  coder: 'bzip2';
  /** What our own reader takes; bspatch takes both images besides. */
  workspaceBytes: number;
  seconds: number;
}

/** Writes a patch for bspatch and its relatives. @throws Refusal as {@link deltaMake} */
export async function bsdiff40Make(paths: {
  oldPath: string;
  newPath: string;
  outPath: string;
}): Promise<Bsdiff40Made> {
  const start = performance.now();
  const [old, fresh] = await Promise.all([readBounded(paths.oldPath), readBounded(paths.newPath)]);
  await checkResult(paths.outPath, [paths.oldPath, paths.newPath]);
  const sizes = { oldBytes: old.length, newBytes: fresh.length };
  const patch = await makeBsdiff40InWorker(old, fresh);
  await writing(paths.outPath, () => writeDurable(paths.outPath, patch));
  const made = { class: null, predictor: 'none', coder: 'bzip2', workspaceBytes: APPLY_BYTES } as const;
  return { kind: 'bsdiff40', ...sizes, deltaBytes: patch.length, ...made, seconds: secondsSince(start) };
}

export interface DeltaApplied {
  kind: 'container' | 'bsdiff40';
  newBytes: number;
  /** 64 hex digits. */
  sha256: string;
  workspaceBytes: number;
  seconds: number;
}

/**
 * Decodes a container with the decoder of the devices, in the workspace it names, from file to file. A BSDIFF40 patch is
 * told by its first bytes and applied too; it carries no digests, so only `sha256` says what must come out.
 * @throws Refusal WRONG_BASE when the old file is another one, RESULT_MISMATCH when the result is; BAD_DELTA,
 * UNSUPPORTED; BAD_REQUEST for a digest that is none
 */
export async function deltaApply(paths: {
  oldPath: string;
  deltaPath: string;
  newPath: string;
  /** 64 hex digits. */
  sha256?: string;
}): Promise<DeltaApplied> {
  const start = performance.now();
  const container = await readBounded(paths.deltaPath);
  await checkReadable(paths.oldPath);
  await checkResult(paths.newPath, [paths.oldPath, paths.deltaPath]);
  const sha256 = paths.sha256?.toLowerCase();
  demand(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256), 'BAD_REQUEST', 'a SHA-256 has 64 hex digits');
  const kind = isBsdiff40(container) ? 'bsdiff40' : 'container';
  const apply = kind === 'bsdiff40' ? applyBsdiff40File : applyFile;
  const applied = await writing(paths.newPath, () => apply(paths.oldPath, container, paths.newPath, sha256));
  return { kind, ...applied, seconds: secondsSince(start) };
}

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
