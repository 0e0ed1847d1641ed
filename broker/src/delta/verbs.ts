/** What `countersign delta make`, `apply` and `info` do with files. Nothing is left at the output path on a refusal. */
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX, inspectDelta, type MemoryClass, memoryClass } from '@countersign/device-sdk/delta';
import { writeDurable } from '../store/durable.ts';
import { applyFile } from './apply-file.ts';
import { makeDeltaInWorker } from './in-worker.ts';

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
}): Promise<DeltaMade> {
  const start = performance.now();
  const name = memoryClass(paths.class);
  await checkFolder(paths.outPath);
  const [old, fresh] = await Promise.all([readBounded(paths.oldPath), readBounded(paths.newPath)]);
  const sizes = { oldBytes: old.length, newBytes: fresh.length };
  const { delta, info } = await makeDeltaInWorker(old, fresh, { class: name });
  await writeDurable(paths.outPath, delta);
  const { kind, predictor, coder, checkpointBytes, workspaceBytes } = info;
  const made = { class: name, predictor, coder, checkpointBytes, workspaceBytes };
  return { kind, ...sizes, deltaBytes: delta.length, ...made, seconds: secondsSince(start) };
}

export interface DeltaApplied {
  newBytes: number;
  /** 64 hex digits. */
  sha256: string;
  workspaceBytes: number;
  seconds: number;
}

/**
 * Decodes a container with the decoder of the devices, in the workspace it names, from file to file.
 * @throws Refusal WRONG_BASE when the old file is another one, RESULT_MISMATCH when the result is; BAD_DELTA, UNSUPPORTED
 */
export async function deltaApply(paths: {
  oldPath: string;
  deltaPath: string;
  newPath: string;
}): Promise<DeltaApplied> {
  const start = performance.now();
  const container = await readBounded(paths.deltaPath);
  await checkReadable(paths.oldPath);
  await checkFolder(paths.newPath);
  const applied = applyFile(paths.oldPath, container, paths.newPath);
  return { ...applied, seconds: secondsSince(start) };
}

export interface DeltaInfo {
  kind: 'delta' | 'full';
  class: MemoryClass;
  predictor: 'none';
  coder: 'stored' | 'heatshrink';
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
  spent: { header: number; model: number; commands: number; patches: number; inserts: number };
  counts: { copies: number; inserts: number; fills: number };
}

/** Explains a container. @throws Refusal BAD_DELTA, UNSUPPORTED, NOT_FOUND, TOO_LARGE */
export async function deltaInfo(path: string): Promise<DeltaInfo> {
  const { header: h, containerBytes, bytes, counts, checkpoints } = inspectDelta(await readBounded(path));
  return {
    kind: h.kind,
    class: h.class,
    predictor: 'none',
    coder: h.coder === 0 ? 'stored' : 'heatshrink',
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
  const coder = i.coder === 'stored' ? 'stored as it is' : `heatshrink ${i.windowBits},${i.lookaheadBits}`;
  const { header, commands, patches, inserts } = i.spent;
  const every = i.checkpointBytes === 0 ? 'no checkpoints' : `a checkpoint every ${i.checkpointBytes} bytes`;
  return [
    `${from} to ${i.newBytes} bytes (sha256 ${i.newTag}…)`,
    `${i.deltaBytes} bytes${percent}; ${coder}; ${every}`,
    `class ${i.class}, workspace ${i.workspaceBytes} bytes`,
    `header ${header}, commands ${commands}, patches of copied code ${patches}, inserted bytes ${inserts}`,
    `${i.counts.copies} copies, ${i.counts.inserts} inserts, ${i.counts.fills} fills`,
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
