/** What `countersign delta make`, `apply` and `info` do with files. Nothing is left at the output path on a refusal. */
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX, inspectDelta, type MemoryClass, memoryClass } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import { writeDurable } from '../store/durable.ts';
import { applyFile } from './apply-file.ts';
import { applyBsdiff40File } from './bsdiff40/file.ts';
import { APPLY_BYTES, isBsdiff40 } from './bsdiff40/index.ts';
import { CODER_NAMES } from './class-limits.ts';
import { makeBsdiff40InWorker, makeDeltaInWorker } from './in-worker.ts';

export interface DeltaMade {
  kind: 'delta' | 'full';
  oldBytes: number;
  newBytes: number;
  deltaBytes: number;
  class: MemoryClass;
  predictor: string;
  coder: string;
  /** Output bytes between two checkpoints; 0 for none. */
  checkpointBytes: number;
  workspaceBytes: number;
  seconds: number;
}

/**
 * Makes the smallest container of the class and writes it whole or not at all.
 * @throws Refusal NOT_FOUND, TOO_LARGE, UNSUPPORTED (no such class), BAD_REQUEST (no folder for the result)
 */
export async function deltaMake(paths: {
  oldPath: string;
  newPath: string;
  outPath: string;
  class: string;
  /** As in {@link MakeOptions}. */
  cpu?: PredictorName;
  base?: number;
}): Promise<DeltaMade> {
  const start = performance.now();
  const name = memoryClass(paths.class);
  await checkFolder(paths.outPath);
  const [old, fresh] = await Promise.all([readBounded(paths.oldPath), readBounded(paths.newPath)]);
  const sizes = { oldBytes: old.length, newBytes: fresh.length };
  const { delta, info } = await makeDeltaInWorker(old, fresh, {
    class: name,
    ...(paths.cpu !== undefined && { cpu: paths.cpu }),
    ...(paths.base !== undefined && { base: paths.base }),
  });
  await writeDurable(paths.outPath, delta);
  const { kind, predictor, coder, checkpointBytes, workspaceBytes } = info;
  const made = { class: name, predictor, coder, checkpointBytes, workspaceBytes };
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
  await checkFolder(paths.outPath);
  const [old, fresh] = await Promise.all([readBounded(paths.oldPath), readBounded(paths.newPath)]);
  const sizes = { oldBytes: old.length, newBytes: fresh.length };
  const patch = await makeBsdiff40InWorker(old, fresh);
  await writeDurable(paths.outPath, patch);
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
  await checkFolder(paths.newPath);
  const { sha256 } = paths;
  demand(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256), 'BAD_REQUEST', 'a SHA-256 has 64 hex digits');
  const kind = isBsdiff40(container) ? 'bsdiff40' : 'container';
  const apply = kind === 'bsdiff40' ? applyBsdiff40File : applyFile;
  const applied = apply(paths.oldPath, container, paths.newPath, sha256);
  return { kind, ...applied, seconds: secondsSince(start) };
}

export interface DeltaInfo {
  kind: 'delta' | 'full';
  class: MemoryClass;
  predictor: string;
  coder: string;
  windowBits: number;
  lookaheadBits: number;
  pageBytes: number;
  checkpointBytes: number;
  checkpoints: number;
  workspaceBytes: number;
  oldBytes: number;
  newBytes: number;
  /** First bytes of the SHA-256 of both images, in hex; the old one is empty for kind full. */
  oldTag: string;
  newTag: string;
  deltaBytes: number;
  /** Share of the container each part takes; together deltaBytes. */
  spent: { header: number; model: number; stream: number; commands: number; patches: number; inserts: number };
  /** Absent where the stream cannot be read without the old image. */
  counts: { copies: number; inserts: number; fills: number } | undefined;
}

/** Explains a container; what a range coder spent its bytes on only beside the old image. @throws Refusal BAD_DELTA, UNSUPPORTED, NOT_FOUND, TOO_LARGE */
export async function deltaInfo(path: string, oldPath?: string): Promise<DeltaInfo> {
  const old = oldPath === undefined ? undefined : await readBounded(oldPath);
  const { header: h, containerBytes, bytes, counts, checkpoints } = inspectDelta(await readBounded(path), old);
  return {
    kind: h.kind,
    class: h.class,
    predictor: PREDICTOR_NAMES[h.predictor]!,
    coder: CODER_NAMES[h.coder]!,
    windowBits: h.windowBits,
    lookaheadBits: h.lookaheadBits,
    pageBytes: 2 ** h.pageBits,
    checkpointBytes: h.checkpointBits === 0 ? 0 : 2 ** h.checkpointBits,
    checkpoints,
    workspaceBytes: h.workspaceBytes,
    oldBytes: h.oldBytes,
    newBytes: h.newBytes,
    oldTag: Buffer.from(h.oldTag).toString('hex'),
    newTag: Buffer.from(h.newTag).toString('hex'),
    deltaBytes: containerBytes,
    spent: bytes,
    counts,
  };
}

/** The same for a person: one line each. */
export function explainDelta(i: DeltaInfo): string[] {
  const percent = i.newBytes === 0 ? '' : `, ${((100 * i.deltaBytes) / i.newBytes).toFixed(1)} % of the image`;
  const from = i.kind === 'full' ? 'a full image' : `a delta from ${i.oldBytes} bytes (sha256 ${i.oldTag}…)`;
  const coder = i.coder === 'stored' ? 'stored as it is' : `${i.coder} ${i.windowBits},${i.lookaheadBits}`;
  const predictor = i.predictor === 'none' ? '' : `; addresses predicted for ${i.predictor}`;
  const { header, model, stream, commands, patches, inserts } = i.spent;
  const read = `commands ${commands}, patches of copied code ${patches}, inserted bytes ${inserts}`;
  const every = i.checkpointBytes === 0 ? 'no checkpoints' : `a checkpoint every ${i.checkpointBytes} bytes`;
  return [
    `${from} to ${i.newBytes} bytes (sha256 ${i.newTag}…)`,
    `${i.deltaBytes} bytes${percent}; ${coder}${predictor}; ${every}`,
    `class ${i.class}, workspace ${i.workspaceBytes} bytes`,
    `header ${header}, model ${model}, ${stream > 0 ? `stream ${stream}` : read}`,
    ...(i.counts ? [`${i.counts.copies} copies, ${i.counts.inserts} inserts, ${i.counts.fills} fills`] : []),
  ];
}

async function readBounded(path: string): Promise<Uint8Array> {
  const bytes = await checkReadable(path);
  demand(bytes <= IMAGE_BYTES_MAX, 'TOO_LARGE', `${path} has ${bytes} bytes`);
  return new Uint8Array(await readFile(path));
}

async function checkReadable(path: string): Promise<number> {
  const found = await stat(path).catch((cause) => {
    throw new Refusal('NOT_FOUND', `cannot read ${path}`, { cause });
  });
  demand(found.isFile(), 'BAD_REQUEST', `${path} is not a file`);
  return found.size;
}

/** Before minutes of work, not after them. */
async function checkFolder(path: string): Promise<void> {
  const found = await stat(dirname(path)).catch(() => undefined);
  demand(found?.isDirectory(), 'BAD_REQUEST', `there is no folder for ${path}`);
}

function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
