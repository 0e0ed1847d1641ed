/** Prints deterministic CBOR with a note per item, for docs/FORMAT.md. */
import { hex } from '@countersign/device-sdk/format';

/** How many bytes of hex stand in one line. */
const LINE_BYTES = 16;

/**
 * One note per item in the order of the bytes. A byte string whose note ends in "↓" is opened: its head gets the note
 * and its content follows as items of their own.
 * @throws Error when notes and items do not end together
 */
export function annotate(bytes: Uint8Array, notes: readonly string[]): string {
  const lines: string[] = [];
  let at = 0;
  for (const note of notes) {
    const end = itemEnd(bytes, at, note.endsWith('↓'));
    for (let from = at; from < end; from += LINE_BYTES) {
      const piece = hex(bytes.subarray(from, Math.min(end, from + LINE_BYTES)));
      const offset = from.toString(16).padStart(4, '0');
      lines.push(`${offset}  ${piece.padEnd(2 * LINE_BYTES)}  ${from === at ? note : ''}`.trimEnd());
    }
    at = end;
  }
  if (at !== bytes.length) throw new Error(`notes end at byte ${at} of ${bytes.length}`);
  return lines.join('\n');
}

/** The bytes of an annotated listing. */
export function bytesOfListing(listing: string): Uint8Array {
  const digits = listing.split('\n').map((line) => /^[0-9a-f]{4} {2}([0-9a-f]+)/.exec(line)?.[1] ?? '');
  return new Uint8Array(Buffer.from(digits.join(''), 'hex'));
}

function itemEnd(bytes: Uint8Array, at: number, open: boolean): number {
  const first = bytes[at];
  if (first === undefined) throw new Error('more notes than items');
  const width = (first & 31) < 24 ? 0 : 2 ** ((first & 31) - 24);
  let argument = first & 31;
  if (width > 0) argument = bytes.subarray(at + 1, at + 1 + width).reduce((n, byte) => n * 256 + byte, 0);
  const carries = first >> 5 === 2 || first >> 5 === 3;
  return at + 1 + width + (carries && !open ? argument : 0);
}
