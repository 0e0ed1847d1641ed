/** A bundle of up to 256 entries, each behind its length in two bytes, big endian (c2sp.org/tlog-tiles). */
import { demand } from '@countersign/device-sdk';
import { concat } from '@countersign/device-sdk/format';

/** What the length can say. Entries of ours end at 60,000 bytes. */
export const BUNDLE_ENTRY_BYTES_MAX = 65_535;
const LENGTH_BYTES = 2;

/** @throws Refusal TOO_LARGE */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  return concat(
    ...entries.flatMap((entry) => {
      demand(entry.length <= BUNDLE_ENTRY_BYTES_MAX, 'TOO_LARGE', `an entry of ${entry.length} bytes`);
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry];
    }),
  );
}

/** @param count entries that it must hold. @throws Refusal MALFORMED */
export function readBundle(bytes: Uint8Array, count: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && entries.length < count) {
    const start = at + LENGTH_BYTES;
    const end = start + (bytes[at]! << 8) + (bytes[at + 1] ?? 0);
    demand(start <= bytes.length && end <= bytes.length, 'MALFORMED', 'a bundle of entries is cut off');
    entries.push(bytes.slice(start, end));
    at = end;
  }
  const exact = at === bytes.length && entries.length === count;
  demand(exact, 'MALFORMED', `a bundle of entries does not hold exactly ${count}`);
  return entries;
}
