/** What `countersign delta info` finds out about a delta: a container, or a patch of bsdiff. */
import { createHash } from 'node:crypto';
import { demand } from '@countersign/device-sdk';
import {
  CLASS_BYTES,
  CLASSES,
  type DeltaHeader,
  inspectDelta,
  type MemoryClass,
  OLD_BUFFER_BYTES,
  readWholeHeader,
  STATE_BYTES,
  workspaceParts,
} from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import { isBsdiff40 } from '../bsdiff40/index.ts';
import { CODER_NAMES } from '../class-limits.ts';
import { readBounded } from '../files.ts';
import { makeDeltaInWorker, makeFullInWorker } from '../in-worker.ts';
import type { Tell } from '../progress.ts';
import { type Bsdiff40Info, bsdiff40Info } from './bsdiff40.ts';
import { QUALITY_BYTES_MAX, type Quality, QualityWatch } from './quality.ts';

export interface ContainerInfo {
  kind: 'delta' | 'full';
  /** The way the pages come where the image is written over its base; null for a slot beside it. */
  inPlace: 'forward' | 'backward' | null;
  version: number;
  class: MemoryClass;
  /** Classes whose devices have the memory. */
  takenBy: MemoryClass[];
  predictor: PredictorName;
  coder: string;
  windowBits: number;
  lookaheadBits: number;
  pageBytes: number;
  checkpointBytes: number;
  checkpoints: number;
  workspaceBytes: number;
  /** What the workspace is for; together workspaceBytes. */
  workspace: { state: number; coder: number; predictor: number; queue: number; old: number; page: number };
  mapRuns: number;
  learnedEntries: number;
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
  /** Beside the old image, of a container whose copies have units. */
  quality: Quality | undefined;
  /** Beside both images: the same container made anew without checkpoints. */
  withoutCheckpointsBytes: number | undefined;
}

export type DeltaInfo = ContainerInfo | Bsdiff40Info;

export interface InfoPaths {
  oldPath?: string;
  newPath?: string;
}

/**
 * Explains a delta; what a range coder spent its bytes on only beside the old image.
 * @throws Refusal BAD_DELTA, UNSUPPORTED, NOT_FOUND, TOO_LARGE; WRONG_BASE, RESULT_MISMATCH for images that are not its own
 */
export async function deltaInfo(path: string, paths: InfoPaths = {}, tell?: Tell): Promise<DeltaInfo> {
  const container = await readBounded(path);
  const old = paths.oldPath === undefined ? undefined : await readBounded(paths.oldPath);
  const fresh = paths.newPath === undefined ? undefined : await readBounded(paths.newPath);
  return isBsdiff40(container) ? bsdiff40Info(container, old) : containerInfo(container, old, fresh, tell);
}

async function containerInfo(
  container: Uint8Array,
  old?: Uint8Array,
  fresh?: Uint8Array,
  tell?: Tell,
): Promise<ContainerInfo> {
  const h = readWholeHeader(container);
  if (old !== undefined && h.kind === 'delta') checkOld(old, h);
  if (fresh !== undefined) checkNew(fresh, h);
  const measured = (old !== undefined || h.kind === 'full') && h.newBytes <= QUALITY_BYTES_MAX;
  const watch = measured ? new QualityWatch(h.newBytes) : undefined;
  const { containerBytes, bytes, counts, checkpoints } = inspectDelta(container, old, watch?.taps);
  if (watch !== undefined) {
    demand(tagOf(watch.image) === hex(h.newTag), 'RESULT_MISMATCH', 'it decodes to another image than it names');
  }
  return {
    kind: h.kind,
    inPlace: h.inPlace ?? null,
    version: container[3]!,
    class: h.class,
    takenBy: CLASSES.filter((name, i) => CLASS_BYTES[name] >= h.workspaceBytes && i >= CLASSES.indexOf(h.class)),
    predictor: PREDICTOR_NAMES[h.predictor]!,
    coder: CODER_NAMES[h.coder]!,
    windowBits: h.windowBits,
    lookaheadBits: h.lookaheadBits,
    pageBytes: 2 ** h.pageBits,
    checkpointBytes: h.checkpointBits === 0 ? 0 : 2 ** h.checkpointBits,
    checkpoints,
    workspaceBytes: h.workspaceBytes,
    workspace: workspaceOf(h),
    mapRuns: h.mapRuns,
    learnedEntries: h.learnedEntries,
    oldBytes: h.oldBytes,
    newBytes: h.newBytes,
    oldTag: hex(h.oldTag),
    newTag: hex(h.newTag),
    deltaBytes: containerBytes,
    spent: bytes,
    counts,
    quality: h.kind === 'delta' ? watch?.summary() : undefined,
    withoutCheckpointsBytes: await withoutCheckpoints(h, old, fresh, tell),
  };
}

function workspaceOf(h: DeltaHeader): ContainerInfo['workspace'] {
  const { tables, model, queue } = workspaceParts(h);
  const parts = { state: STATE_BYTES, coder: tables, predictor: model, queue, old: OLD_BUFFER_BYTES };
  return { ...parts, page: 2 ** h.pageBits };
}

/** What checkpoints cost can only be seen by doing without: coders begin anew at each. */
async function withoutCheckpoints(
  h: DeltaHeader,
  old?: Uint8Array,
  fresh?: Uint8Array,
  tell?: Tell,
): Promise<number | undefined> {
  // In place each checkpoint is a page that is written at once: there is no doing without.
  if (fresh === undefined || h.checkpointBits === 0 || h.inPlace !== undefined) return undefined;
  const options = { class: h.class, cpu: PREDICTOR_NAMES[h.predictor]!, checkpointBytes: 0 };
  if (h.kind === 'full') return (await makeFullInWorker(fresh, options, tell)).delta.length;
  return old && (await makeDeltaInWorker(old, fresh, options, tell)).delta.length;
}

function checkOld(old: Uint8Array, h: DeltaHeader): void {
  const same = old.length === h.oldBytes && tagOf(old) === hex(h.oldTag);
  demand(same, 'WRONG_BASE', `the old image has ${old.length} bytes, sha256 ${tagOf(old)}…; the delta is from another`);
}

function checkNew(fresh: Uint8Array, h: DeltaHeader): void {
  const same = fresh.length === h.newBytes && tagOf(fresh) === hex(h.newTag);
  demand(
    same,
    'RESULT_MISMATCH',
    `the new image has ${fresh.length} bytes, sha256 ${tagOf(fresh)}…; the delta makes another`,
  );
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const tagOf = (image: Uint8Array): string => createHash('sha256').update(image).digest('hex').slice(0, 16);
