/** BSDIFF40 (Percival, 2003): 32 bytes, then three bzip2 streams: control triples, differences, extra bytes. */
import { demand } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX } from '@countersign/device-sdk/delta';

const MAGIC = new TextEncoder().encode('BSDIFF40');
export const HEADER_BYTES = 32;
/** A triple is three numbers: bytes to add to the old image, bytes to insert, and how far to move in the old image. */
export const TRIPLE_BYTES = 24;
export const NUMBER_BYTES = 8;

/** The parts of a patch whose lengths have been checked; nothing has been decompressed yet. */
export interface Parts {
  newBytes: number;
  control: Uint8Array;
  differences: Uint8Array;
  extra: Uint8Array;
}

export function isBsdiff40(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.every((byte, i) => bytes[i] === byte);
}

/** @throws Refusal BAD_DELTA; TOO_LARGE for a result of 1 GiB or more */
export function readParts(patch: Uint8Array): Parts {
  demand(isBsdiff40(patch), 'BAD_DELTA', 'not a BSDIFF40 patch');
  demand(patch.length >= HEADER_BYTES, 'BAD_DELTA', `a BSDIFF40 patch of ${patch.length} bytes`);
  const [controlBytes, differenceBytes, newBytes] = [8, 16, 24].map((at) => readNumber(patch, at)) as [
    number,
    number,
    number,
  ];
  const room = patch.length - HEADER_BYTES;
  demand(controlBytes >= 0 && controlBytes <= room, 'BAD_DELTA', `${controlBytes} control bytes in ${room}`);
  const rest = room - controlBytes;
  demand(differenceBytes >= 0 && differenceBytes <= rest, 'BAD_DELTA', `${differenceBytes} bytes in ${rest}`);
  demand(newBytes >= 0, 'BAD_DELTA', `a new image of ${newBytes} bytes`);
  demand(newBytes <= IMAGE_BYTES_MAX, 'TOO_LARGE', `a new image of ${newBytes} bytes`);
  const differencesAt = HEADER_BYTES + controlBytes;
  const extraAt = differencesAt + differenceBytes;
  return {
    newBytes,
    control: patch.subarray(HEADER_BYTES, differencesAt),
    differences: patch.subarray(differencesAt, extraAt),
    extra: patch.subarray(extraAt),
  };
}

export function writeParts({ newBytes, control, differences, extra }: Parts): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  writeNumber(header, 8, control.length);
  writeNumber(header, 16, differences.length);
  writeNumber(header, 24, newBytes);
  return new Uint8Array(Buffer.concat([header, control, differences, extra]));
}

/** Magnitude in 63 bits, little-endian, and a sign in the last: not two's complement. @throws Refusal BAD_DELTA */
export function readNumber(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, NUMBER_BYTES);
  const high = view.getUint32(4, true);
  const magnitude = (high & 0x7fff_ffff) * 2 ** 32 + view.getUint32(0, true);
  demand(magnitude <= Number.MAX_SAFE_INTEGER, 'BAD_DELTA', 'a number beyond 53 bits');
  return high >= 0x8000_0000 ? 0 - magnitude : magnitude;
}

export function writeNumber(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, NUMBER_BYTES);
  const magnitude = Math.abs(value);
  view.setUint32(0, magnitude % 2 ** 32, true);
  view.setUint32(4, Math.floor(magnitude / 2 ** 32) + (value < 0 ? 0x8000_0000 : 0), true);
}
