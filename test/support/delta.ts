/** Containers put together by hand, and the decoder driven as a device drives it. */

import { createHash } from 'node:crypto';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import {
  type Checkpoint,
  DeltaDecoder,
  type DeltaLimits,
  type DeltaPorts,
  type Direction,
  IMAGE_BYTES_MAX,
  readHeader,
} from '@countersign/device-sdk/delta';
import { Chance } from './mutate.ts';

export interface HandMade {
  full?: boolean;
  flags?: number;
  version?: number;
  memoryClass?: number;
  predictor?: number;
  coder?: number;
  windowBits?: number;
  lookaheadBits?: number;
  pageBits?: number;
  checkpointBits?: number;
  workspace?: number;
  modelBytes?: number;
  mapRuns?: number;
  learned?: number;
  newBytes?: number;
  oldBytes?: number;
}

/** A container by the tables of docs/FORMAT-DELTA.md, written without the product's writer. */
export function byHand(old: Uint8Array, fresh: Uint8Array, h: HandMade, stream: readonly number[]): Uint8Array {
  const full = h.full ?? false;
  const windowBits = h.windowBits ?? 0;
  const pageBits = h.pageBits ?? 8;
  const workspace = h.workspace ?? 256 + 128 + (windowBits === 0 ? 0 : 2 ** windowBits) + 2 ** pageBits;
  const sizes = [h.newBytes ?? fresh.length, ...(full ? [] : [h.oldBytes ?? old.length])];
  const numbers = [workspace, h.modelBytes ?? 0, h.mapRuns ?? 0, h.learned ?? 0, ...sizes];
  return Uint8Array.from([
    ...[0x43, 0x53, 0x44, h.version ?? 2, h.flags ?? (full ? 1 : 0), h.memoryClass ?? 0],
    ...[h.predictor ?? 0, h.coder ?? 0, windowBits, h.lookaheadBits ?? 0, pageBits, h.checkpointBits ?? 0],
    ...numbers.flatMap(number),
    ...(full ? [] : tag(old)),
    ...tag(fresh),
    ...stream,
  ]);
}

/** LEB128. */
export function number(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...number(Math.floor(value / 0x80))];
}

export const copyFrom = (length: number, seek: number): number[] => [
  ...number(4 * length),
  ...number(seek > 0 ? 2 * seek : -2 * seek - 1),
];
export const copyOn = (length: number): number[] => number(4 * length + 1);
export const insert = (...bytes: number[]): number[] => [...number(4 * bytes.length + 2), ...bytes];
export const fill = (length: number, byte: number): number[] => [...number(4 * length + 3), byte];
export const token = (gap: number, ...patches: number[]): number[] => [
  (Math.min(gap, 63) << 2) | (Math.max(1, patches.length) - 1),
  ...(gap < 63 ? [] : number(gap - 63)),
  ...patches,
];

export function tag(image: Uint8Array): number[] {
  return [...createHash('sha256').update(image).digest().subarray(0, 8)];
}

export interface Bench {
  ports: DeltaPorts;
  /** What the sink has been given, page after page. */
  output: Uint8Array[];
  /** True while the bytes around the workspace are untouched. */
  fenced(): boolean;
}

const GUARD = 64;

/** Ports with a fenced workspace of exactly the size the container names, and limits that fit it. */
export function bench(
  container: Uint8Array,
  old: Uint8Array,
  limits: Partial<DeltaLimits> & { workspace?: number } = {},
): Bench {
  const header = sizesOf(container);
  const workspaceBytes = limits.workspace ?? header.workspaceBytes;
  const memory = new Uint8Array(workspaceBytes + 2 * GUARD).fill(0xa5);
  const output: Uint8Array[] = [];
  let next = 0;
  const ports: DeltaPorts = {
    workspace: memory.subarray(GUARD, GUARD + workspaceBytes),
    decoders: EVERY_DECODER,
    old: {
      read: (offset, into) => {
        if (offset < 0 || offset + into.length > old.length) throw new RangeError(`read at ${offset}`);
        into.set(old.subarray(offset, offset + into.length));
      },
    },
    sink: (offset, bytes) => {
      const follows = output.length === 0 || offset === next || header.inPlace === 'backward';
      if (!follows) throw new RangeError(`page at ${offset}, expected ${next}`);
      next = offset + bytes.length;
      if (next > ports.limits.slotBytes) throw new RangeError(`write beyond the slot at ${next}`);
      output.push(bytes.slice());
    },
    limits: {
      oldBytes: limits.oldBytes ?? old.length,
      newBytes: limits.newBytes ?? header.newBytes,
      slotBytes: limits.slotBytes ?? IMAGE_BYTES_MAX,
    },
  };
  const edges = [memory.subarray(0, GUARD), memory.subarray(GUARD + workspaceBytes)];
  return { ports, output, fenced: () => edges.every((edge) => edge.every((byte) => byte === 0xa5)) };
}

/** Sizes to give a decoder for a container that may be damaged. */
function sizesOf(container: Uint8Array): { workspaceBytes: number; newBytes: number; inPlace?: Direction } {
  try {
    return readHeader(container) ?? { workspaceBytes: 4096, newBytes: 1000 };
  } catch {
    return { workspaceBytes: 4096, newBytes: 1000 };
  }
}

/** Decodes in pieces of the given sizes, then the rest at once. */
export function decode(container: Uint8Array, old: Uint8Array, pieces: readonly number[] = []): Uint8Array {
  const { ports, output, fenced } = bench(container, old);
  const decoder = new DeltaDecoder(ports);
  let at = 0;
  for (const piece of pieces) {
    decoder.push(container.subarray(at, at + piece));
    at = Math.min(at + piece, container.length);
  }
  decoder.push(container.subarray(at));
  decoder.finalize();
  if (!fenced()) throw new Error('the decoder wrote outside its workspace');
  return joined(output);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Every checkpoint of a container, by feeding it byte by byte. */
export function checkpointsOf(container: Uint8Array, old: Uint8Array): Checkpoint[] {
  const decoder = new DeltaDecoder(bench(container, old).ports);
  const found: Checkpoint[] = [];
  for (const byte of container) {
    decoder.push(Uint8Array.of(byte));
    const last = decoder.checkpoint();
    if (last && last !== found.at(-1)) found.push(last);
  }
  return found;
}

/** Bytes that look like code: repeatable, compressible, different for each seed. */
export function image(bytes: number, seed = 1): Uint8Array {
  const out = new Uint8Array(bytes);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const again = state >>> 30 === 0 && i > 64;
    out[i] = again ? out[i - 64]! : state >>> 24;
  }
  return out;
}

/** `base` with bytes changed, a piece inserted and a piece moved, at places that follow the seed. */
export function edited(base: Uint8Array, seed = 1): Uint8Array {
  const at = (part: number) => Math.floor(base.length * part);
  const moved = joined([
    base.subarray(0, at(0.2)),
    image(37, seed),
    base.subarray(at(0.4)),
    base.subarray(at(0.2), at(0.4)),
  ]);
  for (let i = seed % 97; i < moved.length; i += 97 + (seed % 13)) moved[i] = (moved[i]! + 1 + (i % 5)) & 0xff;
  return moved;
}

/** Short words of one language in any order: nothing worth a copy, much that one text tells of another. */
export function text(bytes: number, seed: number): Uint8Array {
  const chance = new Chance(seed);
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 3) {
    const word = chance.below(64);
    out.set([word * 37, word * 91, word * word].slice(0, bytes - at), at);
  }
  return out;
}
