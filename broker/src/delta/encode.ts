/**
 * Makes deltas: every candidate that the memory class allows is built, decoded again with the decoder that devices run,
 * compared, and the smallest ships. A delta that is not smaller than the compressed full image does not ship.
 */
import { createHash } from 'node:crypto';
import { demand } from '@countersign/device-sdk';
import {
  CLASS_BYTES,
  CLASSES,
  CODER_HEATSHRINK,
  CODER_STORED,
  DeltaDecoder,
  IMAGE_BYTES_MAX,
  type MemoryClass,
  PREDICTOR_NONE,
  readWholeHeader,
  TAG_BYTES,
  VERSION,
  workspaceBytes,
} from '@countersign/device-sdk/delta';
import { align, type Copy } from './align.ts';
import { type Spent, writeCommands } from './commands.ts';
import { heatshrink } from './heatshrink.ts';
import { suffixArray } from './suffix-array.ts';

export interface MakeOptions {
  class: MemoryClass;
  /** Output bytes between two checkpoints, a power of two of at least 4 KB; 0 for none. Default 64 KB. */
  checkpointBytes?: number;
}

export interface MadeInfo {
  kind: 'delta' | 'full';
  class: MemoryClass;
  predictor: 'none';
  coder: 'stored' | 'heatshrink';
  windowBits: number;
  lookaheadBits: number;
  workspaceBytes: number;
  /** Candidates that were built. */
  candidates: number;
  spent: Spent;
}

export interface Made {
  delta: Uint8Array;
  info: MadeInfo;
}

const CHECKPOINT_BYTES = 65_536;
const JOINS = [1, 2, 4];
const LOOKAHEADS = [4, 6, 8];
/** Page and largest window by class: what fits the workspace beside the state. */
const SHAPES: Record<MemoryClass, { pageBits: number; windows: number[] }> = {
  S: { pageBits: 8, windows: [8, 10, 11] },
  M: { pageBits: 9, windows: [8, 11, 12] },
  L: { pageBits: 10, windows: [8, 11, 13] },
  XL: { pageBits: 12, windows: [8, 11, 15] },
  G: { pageBits: 12, windows: [8, 11, 15] },
};

/**
 * The smallest container that turns `old` into `fresh` on a device of this class.
 * @throws Refusal TOO_LARGE beyond 1 GB; INTERNAL if no candidate decodes to the image
 */
export function makeDelta(old: Uint8Array, fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(old);
  const copies = fresh.length === 0 ? [] : align(old, fresh, suffixArray(old));
  const full = makeFull(fresh, options);
  const delta = smallest(old, fresh, copies, options, 'delta');
  return delta.delta.length < full.delta.length ? delta : full;
}

/** The compressed full image. @throws as {@link makeDelta} */
export function makeFull(fresh: Uint8Array, options: MakeOptions): Made {
  return smallest(new Uint8Array(), fresh, [], options, 'full');
}

function checkSize(image: Uint8Array): void {
  demand(image.length <= IMAGE_BYTES_MAX, 'TOO_LARGE', `an image of ${image.length} bytes`);
}

function smallest(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: Copy[],
  options: MakeOptions,
  kind: 'delta' | 'full',
): Made {
  checkSize(fresh);
  const { pageBits, windows } = SHAPES[options.class];
  const checkpointBytes = options.checkpointBytes ?? CHECKPOINT_BYTES;
  // A checkpoint that is never reached costs nothing but is no use either.
  const sectionBytes = checkpointBytes < fresh.length ? checkpointBytes : 0;
  let best: Made | undefined;
  let candidates = 0;
  for (const joinBytes of kind === 'full' ? [1] : JOINS) {
    const { sections, spent } = writeCommands(old, fresh, copies, { sectionBytes, joinBytes });
    for (const shape of shapesOf(windows)) {
      const need = workspaceBytes({ windowBits: shape.windowBits, pageBits });
      if (need > CLASS_BYTES[options.class]) continue;
      candidates++;
      const coded = sections.map((section) => code(section, shape));
      const header = encodeHeader({ kind, old, fresh, class: options.class, pageBits, sectionBytes, need, ...shape });
      const delta = Buffer.concat([header, ...coded]);
      if (best && best.delta.length <= delta.length) continue;
      const coder = shape.windowBits === 0 ? 'stored' : 'heatshrink';
      const info = {
        kind,
        class: options.class,
        predictor: 'none',
        coder,
        ...shape,
        workspaceBytes: need,
        candidates,
        spent,
      } as const;
      best = { delta: new Uint8Array(delta), info };
    }
  }
  demand(best, 'INTERNAL', 'no candidate fits the class');
  checkDecodes(best.delta, old, fresh);
  return { delta: best.delta, info: { ...best.info, candidates } };
}

function shapesOf(windows: readonly number[]): { windowBits: number; lookaheadBits: number }[] {
  const coded = windows.flatMap((windowBits) =>
    LOOKAHEADS.filter((bits) => bits < windowBits).map((lookaheadBits) => ({ windowBits, lookaheadBits })),
  );
  return [{ windowBits: 0, lookaheadBits: 0 }, ...coded];
}

function code(section: Uint8Array, shape: { windowBits: number; lookaheadBits: number }): Uint8Array {
  return shape.windowBits === 0 ? section : heatshrink(section, shape.windowBits, shape.lookaheadBits);
}

/** Nothing ships that the decoder of the devices has not turned into the image. */
function checkDecodes(delta: Uint8Array, old: Uint8Array, fresh: Uint8Array): void {
  const decoded = applyDelta(delta, old);
  demand(Buffer.compare(decoded, fresh) === 0, 'INTERNAL', 'a container decodes to another image');
}

/** Decodes a whole container in memory. @throws Refusal as the decoder */
export function applyDelta(
  delta: Uint8Array,
  old: Uint8Array,
  options: { workspaceBytes?: number; slotBytes?: number } = {},
): Uint8Array {
  const header = readWholeHeader(delta);
  const pages: Uint8Array[] = [];
  const decoder = new DeltaDecoder({
    workspace: new Uint8Array(options.workspaceBytes ?? header.workspaceBytes),
    old: { read: (offset, into) => into.set(old.subarray(offset, offset + into.length)) },
    sink: (_offset, bytes) => pages.push(bytes.slice()),
    limits: { oldBytes: old.length, newBytes: header.newBytes, slotBytes: options.slotBytes ?? IMAGE_BYTES_MAX },
  });
  decoder.push(delta);
  decoder.finalize();
  return new Uint8Array(Buffer.concat(pages));
}

interface HeaderFields {
  kind: 'delta' | 'full';
  old: Uint8Array;
  fresh: Uint8Array;
  class: MemoryClass;
  windowBits: number;
  lookaheadBits: number;
  pageBits: number;
  sectionBytes: number;
  need: number;
}

function encodeHeader(f: HeaderFields): Uint8Array {
  const full = f.kind === 'full';
  const coder = f.windowBits === 0 ? CODER_STORED : CODER_HEATSHRINK;
  const checkpointBits = f.sectionBytes === 0 ? 0 : Math.log2(f.sectionBytes);
  const fixed = [0x43, 0x53, 0x44, VERSION, full ? 1 : 0, CLASSES.indexOf(f.class), PREDICTOR_NONE, coder];
  const numbers = [f.need, 0, 0, 0, f.fresh.length, ...(full ? [] : [f.old.length])];
  return Uint8Array.from([
    ...fixed,
    ...[f.windowBits, f.lookaheadBits, f.pageBits, checkpointBits],
    ...numbers.flatMap(varint),
    ...(full ? [] : tag(f.old)),
    ...tag(f.fresh),
  ]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

function tag(image: Uint8Array): Uint8Array {
  return createHash('sha256').update(image).digest().subarray(0, TAG_BYTES);
}
