import { demand, Refusal } from '../errors.ts';
import type { Direction } from './block-order.ts';
import { CLASS_BYTES, CLASSES, CODER_HEATSHRINK, CODER_STORED, IMAGE_BYTES_MAX } from './classes.ts';
import type { DeltaHeader } from './fields.ts';
import { PREDICTOR_NONE } from './model/predictors.ts';
import { coderPart, cpuPart, type DecoderPart } from './parts.ts';
import { workspaceBytes } from './workspace.ts';

/** "CSD": the first three bytes of every delta container. */
export const MAGIC: readonly number[] = [0x43, 0x53, 0x44];
export const VERSION = 2;

/** Longest header the rules below allow; a checkpoint record carries it whole. */
export const HEADER_BYTES_MAX = 58;

/** First bytes of a SHA-256 that the container carries against mix-ups. The signed manifest has the whole digests. */
export const TAG_BYTES = 8;

/** Limits of the small fields; each is a shape that fits a decoder of this version. */
export const PAGE_BITS_MIN = 8; // below 256 bytes a page is smaller than common flash write units
export const PAGE_BITS_MAX = 16;
export const CHECKPOINT_BITS_MIN = 12; // 4 KiB, the usual erase unit: a finer checkpoint could not be used
export const CHECKPOINT_BITS_MAX = 28;
export const WINDOW_BITS_MIN = 4;
export const WINDOW_BITS_MAX = 15;
export const LOOKAHEAD_BITS_MIN = 3;
export const LOOKAHEAD_BITS_MAX = 8; // with 15 window bits a token has 24 bits: 23 kept bits and one byte fit 32

/** More runs or entries than these were never of use, and a lookup stays short. */
export const RUNS_MAX = 4096;
export const ENTRIES_MAX = 32_768;

const FLAG_FULL = 1;
const FLAG_BACKWARD = 2;
const FLAG_IN_PLACE = 4;

/**
 * Reads the header at the start of `bytes` and checks every field against every other.
 * @param decoders what this device can decode beside coders 0 and 1
 * @returns undefined while `bytes` is still too short to hold a whole header
 * @throws Refusal BAD_DELTA for broken rules, UNSUPPORTED for an unknown version, predictor, coder or direction
 */
export function readHeader(bytes: Uint8Array, decoders: readonly DecoderPart[]): DeltaHeader | undefined {
  for (let i = 0; i < Math.min(MAGIC.length, bytes.length); i++) {
    demand(bytes[i] === MAGIC[i], 'BAD_DELTA', 'not a delta container: wrong magic');
  }
  if (bytes.length > 3) demand(bytes[3] === VERSION, 'UNSUPPORTED', `delta container version ${bytes[3]}, expected 2`);
  const header = readFields(bytes);
  if (header !== undefined) checkHeader(header, decoders);
  return header;
}

/** One whole header, or a refusal: for callers that hold the complete container. */
export function readWholeHeader(bytes: Uint8Array, decoders: readonly DecoderPart[]): DeltaHeader {
  const header = readHeader(bytes, decoders);
  demand(header !== undefined, 'BAD_DELTA', 'delta container ends inside its header');
  return header;
}

function readFields(bytes: Uint8Array): DeltaHeader | undefined {
  if (bytes.length < 12) return undefined;
  const flags = bytes[4]!;
  demand((flags & ~7) === 0, 'BAD_DELTA', `delta flags ${flags} have unknown bits`);
  const full = (flags & FLAG_FULL) !== 0;
  const name = CLASSES[bytes[5]!];
  demand(name !== undefined, 'BAD_DELTA', `memory class ${bytes[5]} does not exist`);
  const cursor = { at: 12 };
  const numbers: number[] = [];
  for (let i = 0; i < (full ? 5 : 6); i++) {
    const value = readVarint(bytes, cursor);
    if (value === undefined) return undefined;
    numbers.push(value);
  }
  const tags = (full ? 1 : 2) * TAG_BYTES;
  if (bytes.length < cursor.at + tags) return undefined;
  const newTagAt = cursor.at + tags - TAG_BYTES;
  return {
    kind: full ? 'full' : 'delta',
    inPlace: directionOf(flags),
    class: name,
    predictor: bytes[6]!,
    coder: bytes[7]!,
    windowBits: bytes[8]!,
    lookaheadBits: bytes[9]!,
    pageBits: bytes[10]!,
    checkpointBits: bytes[11]!,
    workspaceBytes: numbers[0]!,
    modelBytes: numbers[1]!,
    mapRuns: numbers[2]!,
    learnedEntries: numbers[3]!,
    newBytes: numbers[4]!,
    oldBytes: numbers[5] ?? 0,
    oldTag: bytes.slice(cursor.at, newTagAt),
    newTag: bytes.slice(newTagAt, newTagAt + TAG_BYTES),
    headerBytes: newTagAt + TAG_BYTES,
  };
}

function checkHeader(h: DeltaHeader, decoders: readonly DecoderPart[]): void {
  checkPlace(h);
  checkModel(h, decoders);
  checkCoder(h, decoders);
  demand(h.pageBits >= PAGE_BITS_MIN && h.pageBits <= PAGE_BITS_MAX, 'BAD_DELTA', `page bits ${h.pageBits}`);
  const interval = h.checkpointBits;
  const least = Math.max(CHECKPOINT_BITS_MIN, h.pageBits);
  demand(
    interval === 0 || (interval >= least && interval <= CHECKPOINT_BITS_MAX),
    'BAD_DELTA',
    `checkpoint bits ${interval}`,
  );
  demand(h.newBytes <= IMAGE_BYTES_MAX && h.oldBytes <= IMAGE_BYTES_MAX, 'BAD_DELTA', 'image size over the limit');
  const need = workspaceBytes(h, decoders);
  demand(h.workspaceBytes === need, 'BAD_DELTA', `workspace ${h.workspaceBytes}, expected ${need}`);
  demand(need <= CLASS_BYTES[h.class], 'BAD_DELTA', `workspace ${need} is over class ${h.class}`);
}

/** @throws Refusal UNSUPPORTED for a backward delta that is not in place: a slot beside the base is written upwards */
function directionOf(flags: number): Direction | undefined {
  const backward = (flags & FLAG_BACKWARD) !== 0;
  const inPlace = (flags & FLAG_IN_PLACE) !== 0;
  demand(inPlace || !backward, 'UNSUPPORTED', 'backward, but not in place');
  return inPlace ? (backward ? 'backward' : 'forward') : undefined;
}

function checkPlace({ kind, inPlace }: DeltaHeader): void {
  const fits = inPlace === undefined || kind === 'delta';
  demand(fits, 'BAD_DELTA', 'a full image has no base to be written over');
}

function checkModel(h: DeltaHeader, decoders: readonly DecoderPart[]): void {
  const known = h.predictor === PREDICTOR_NONE || cpuPart(decoders, h.predictor);
  demand(known, 'UNSUPPORTED', `predictor ${h.predictor}`);
  if (h.predictor === PREDICTOR_NONE) {
    demand(h.modelBytes + h.mapRuns + h.learnedEntries === 0, 'BAD_DELTA', 'a model section without a predictor');
    return;
  }
  const predicts = h.kind === 'delta' && h.coder !== CODER_STORED && h.newBytes > 0;
  demand(predicts, 'BAD_DELTA', 'a predictor without anything to predict');
  demand(h.mapRuns <= RUNS_MAX, 'BAD_DELTA', `${h.mapRuns} runs`);
  const entries = h.learnedEntries;
  demand(entries <= ENTRIES_MAX && (entries & (entries - 1)) === 0, 'BAD_DELTA', `${entries} learned entries`);
}

function checkCoder(h: DeltaHeader, decoders: readonly DecoderPart[]): void {
  const part = coderPart(decoders, h.coder);
  if (part) {
    demand(part.fits(h), 'BAD_DELTA', `coder ${h.coder} with ${h.windowBits}, ${h.lookaheadBits}`);
    return;
  }
  if (h.coder === CODER_STORED) {
    demand(h.windowBits === 0 && h.lookaheadBits === 0, 'BAD_DELTA', 'coder parameters without a coder');
    return;
  }
  demand(h.coder === CODER_HEATSHRINK, 'UNSUPPORTED', `coder ${h.coder}`);
  demand(h.windowBits >= WINDOW_BITS_MIN && h.windowBits <= WINDOW_BITS_MAX, 'BAD_DELTA', `window ${h.windowBits}`);
  const lookahead = h.lookaheadBits;
  const most = Math.min(LOOKAHEAD_BITS_MAX, h.windowBits - 1);
  demand(lookahead >= LOOKAHEAD_BITS_MIN && lookahead <= most, 'BAD_DELTA', `lookahead ${lookahead}`);
}

/** Canonical LEB128 below 2^30. Undefined when the bytes end first. */
function readVarint(bytes: Uint8Array, cursor: { at: number }): number | undefined {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[cursor.at];
    if (byte === undefined) return undefined;
    cursor.at++;
    demand(shift < 28 || byte < 4, 'BAD_DELTA', 'number over 30 bits');
    demand(byte !== 0 || shift === 0, 'BAD_DELTA', 'number not in its shortest form');
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new Refusal('BAD_DELTA', 'number over 30 bits');
}
