import { createHash } from 'node:crypto';
import { CLASSES, CODER_STORED, type DeltaHeader, MAGIC, TAG_BYTES, VERSION } from '@countersign/device-sdk/delta';

/** Everything of a header that is not known from the images themselves. */
export type HeaderFields = Omit<DeltaHeader, 'headerBytes'>;

/** The header's bytes. Reader: device-sdk/src/delta/header.ts. */
export function writeHeader(h: HeaderFields): Uint8Array {
  const full = h.kind === 'full';
  const numbers = [h.workspaceBytes, h.modelBytes, h.mapRuns, h.learnedEntries, h.newBytes];
  if (!full) numbers.push(h.oldBytes);
  return Uint8Array.from([
    ...MAGIC,
    VERSION,
    (full ? 1 : 0) | (h.inPlace === undefined ? 0 : h.inPlace === 'backward' ? 6 : 4),
    CLASSES.indexOf(h.class),
    h.predictor,
    h.coder,
    ...(h.coder === CODER_STORED ? [0, 0] : [h.windowBits, h.lookaheadBits]),
    h.pageBits,
    h.checkpointBits,
    ...numbers.flatMap(varint),
    ...h.oldTag,
    ...h.newTag,
  ]);
}

/** The first bytes of an image's SHA-256. */
export function tagOf(image: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(image).digest().subarray(0, TAG_BYTES));
}

/** Canonical LEB128 of a whole number below 2^53. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}
