/** The control stream of a patch, checked triple by triple before any of it is used. */
import { demand } from '@countersign/device-sdk';
import { BzipReader } from '../bzip2/reader.ts';
import { readNumber, TRIPLE_BYTES } from './header.ts';

export interface Triple {
  newStart: number;
  oldStart: number;
  /** Bytes of the old image at `oldStart` that differences are added to. */
  copied: number;
  /** Bytes inserted behind them. */
  inserted: number;
}

/**
 * A match must beat what it interrupts by more than eight bytes, so makers of patches spend at least nine on a triple.
 * Twice as many are taken as the densest could have; empty ones without end would hold the reader for ever.
 */
const BYTES_PER_TRIPLE_MIN = 4;
const TRIPLES_SPARE = 16;

/**
 * @param newBytes a size that readParts has bounded
 * @throws Refusal BAD_DELTA; WRONG_BASE for a copy from behind the end of the old image
 */
export function* readTriples(control: Uint8Array, newBytes: number, oldBytes: number): Generator<Triple> {
  const reader = new BzipReader(control);
  const piece = new Uint8Array(TRIPLE_BYTES);
  let newStart = 0;
  let oldStart = 0;
  let left = TRIPLES_SPARE + Math.floor(newBytes / BYTES_PER_TRIPLE_MIN);
  while (newStart < newBytes) {
    demand(left-- > 0, 'BAD_DELTA', `more triples than ${newBytes} bytes can need`);
    demand(reader.read(piece) === TRIPLE_BYTES, 'BAD_DELTA', `the control stream ends at byte ${newStart}`);
    const [copied, inserted, move] = [0, 8, 16].map((at) => readNumber(piece, at)) as [number, number, number];
    const room = newBytes - newStart;
    demand(copied >= 0 && copied <= room, 'BAD_DELTA', `a copy of ${copied} bytes where ${room} are left`);
    demand(
      inserted >= 0 && inserted <= room - copied,
      'BAD_DELTA',
      `${inserted} bytes inserted where ${room - copied} are left`,
    );
    if (copied > 0) checkCopy(oldStart, copied, oldBytes);
    yield { newStart, oldStart, copied, inserted };
    newStart += copied + inserted;
    oldStart += copied + move;
    demand(Number.isSafeInteger(oldStart), 'BAD_DELTA', 'a place in the old image beyond 53 bits');
  }
  reader.finish();
}

function checkCopy(oldStart: number, copied: number, oldBytes: number): void {
  demand(oldStart >= 0, 'BAD_DELTA', `a copy from ${oldStart}, before the old image`);
  demand(
    oldStart + copied <= oldBytes,
    'WRONG_BASE',
    `a copy of ${copied} bytes from ${oldStart} of an old image of ${oldBytes}: it is another one, or the patch is damaged`,
  );
}
