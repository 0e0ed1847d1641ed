import type { Flash } from '../ports.ts';
import { crc32 } from './crc32.ts';
import { readAt, readChunks, UnitWriter } from './units.ts';

/**
 * One record of the journal, little-endian:
 * payload length (4) | sequence (4) | entries | CRC-32 (4) over generation, length, sequence, entries | 0xff to the unit.
 * An entry is key (2) | value length (2), 0xffff for "removed" | value. The check stands last, so that a record of any
 * size is written in one pass from a small buffer. The bank's generation is under the check though not in the record:
 * what an earlier life of the bank left behind can never be taken for a record of this one.
 */
export const RECORD_OVERHEAD_BYTES = 12;
const HEAD_BYTES = 8;
const ENTRY_HEAD_BYTES = 4;
const REMOVED = 0xffff;

/** Longer values do not fit the length field: 0xffff is taken. */
export const VALUE_BYTES_MAX = 0xfffe;
export const KEY_MAX = 0xffff;

/** Where a value lies in the flash region. */
export interface Place {
  readonly at: number;
  readonly length: number;
}

/** A value to write: bytes in memory, bytes to copy from elsewhere in the flash, or undefined for "removed". */
export type Source = Uint8Array | Place | undefined;

export interface FoundRecord {
  readonly entries: readonly (readonly [key: number, place: Place | undefined])[];
  /** Offset after the record, its padding not included. */
  readonly end: number;
}

/** Bytes of a record with these entries, without the padding to the write unit. */
export function recordBytes(entries: Iterable<readonly [number, Source]>): number {
  return RECORD_OVERHEAD_BYTES + payloadBytes(entries);
}

/** Writes a record in order of its bytes. The cells from `at` on are erased and suffice. @returns the next unit's offset */
export function writeRecord(
  flash: Flash,
  at: number,
  generation: number,
  sequence: number,
  entries: readonly (readonly [number, Source])[],
): number {
  const writer = new UnitWriter(flash, at);
  let crc = crc32(uint32s(generation));
  const push = (bytes: Uint8Array) => {
    crc = crc32(bytes, crc);
    writer.push(bytes);
  };
  push(uint32s(payloadBytes(entries), sequence));
  for (const [key, source] of entries) {
    push(uint32s(key + 0x10000 * (source === undefined ? REMOVED : source.length)));
    if (source instanceof Uint8Array) push(source);
    else if (source !== undefined) readChunks(flash, source.at, source.length, push);
  }
  writer.push(uint32s(crc));
  return writer.end();
}

/** The record at `at`, or undefined where there is no whole one with this sequence that ends before `limit`. */
export function readRecord(
  flash: Flash,
  at: number,
  limit: number,
  generation: number,
  sequence: number,
): FoundRecord | undefined {
  if (at + RECORD_OVERHEAD_BYTES > limit) return undefined;
  const head = view(readAt(flash, at, HEAD_BYTES));
  const length = head.getUint32(0, true);
  if (head.getUint32(4, true) !== sequence || length > limit - at - RECORD_OVERHEAD_BYTES) return undefined;
  let crc = crc32(uint32s(generation));
  readChunks(flash, at, HEAD_BYTES + length, (chunk) => {
    crc = crc32(chunk, crc);
  });
  const end = at + HEAD_BYTES + length;
  if (view(readAt(flash, end, 4)).getUint32(0, true) !== crc) return undefined;
  const entries = readEntries(flash, at + HEAD_BYTES, end);
  return entries && { entries, end: end + 4 };
}

export function uint32s(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [i, value] of values.entries()) view(bytes).setUint32(4 * i, value, true);
  return bytes;
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function readEntries(flash: Flash, from: number, end: number): FoundRecord['entries'] | undefined {
  const entries: [number, Place | undefined][] = [];
  let at = from;
  while (at < end) {
    if (at + ENTRY_HEAD_BYTES > end) return undefined;
    const head = view(readAt(flash, at, ENTRY_HEAD_BYTES));
    at += ENTRY_HEAD_BYTES;
    const length = head.getUint16(2, true);
    const place = length === REMOVED ? undefined : { at, length };
    entries.push([head.getUint16(0, true), place]);
    at += place?.length ?? 0;
  }
  return at === end ? entries : undefined;
}

function payloadBytes(entries: Iterable<readonly [number, Source]>): number {
  let sum = 0;
  for (const [, source] of entries) sum += ENTRY_HEAD_BYTES + (source?.length ?? 0);
  return sum;
}
