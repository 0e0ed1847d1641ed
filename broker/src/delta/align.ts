/**
 * Alignment after bsdiff (Percival, 2003): runs of the new image that lie over the old one with few differences. Exact
 * matches come from the suffix array; each is stretched both ways for as long as more than half of the bytes agree.
 */
import { CHOICES } from './choices.ts';
import { Matcher } from './matcher.ts';

/** `length` bytes of the new image at `newStart` lie over the old image at `oldStart`, differing in some bytes. */
export interface Copy {
  newStart: number;
  oldStart: number;
  length: number;
}

/**
 * Bytes compared for each byte of the new image, beyond which less is tried: matches that seem useless are passed as a
 * whole, and a find is stretched back by a little only. Firmware takes under 100.
 */
const WORK_PER_BYTE_MAX = 200;
const WORK_MIN = 1 << 16;
const BACK_BYTES = 256;

/** Copies in output order, not overlapping; what they leave out must be inserted. */
export function align(
  old: Uint8Array,
  fresh: Uint8Array,
  order: Int32Array,
  matcher = new Matcher(old, order),
): Copy[] {
  const copies: Copy[] = [];
  let anchor = { newStart: 0, oldStart: 0 };
  let scan = 0;
  while (scan < fresh.length) {
    const found = nextMatch(old, fresh, matcher, scan, anchor.oldStart - anchor.newStart);
    const forward = stretchForward(old, fresh, anchor, found.newStart);
    // Where every place looks like every other, each find would reach back to the first.
    const floor = isOverworked(matcher, scan)
      ? Math.max(anchor.newStart, found.newStart - BACK_BYTES)
      : anchor.newStart;
    const backward = found.length > 0 ? stretchBackward(old, fresh, found, floor) : 0;
    matcher.compared += forward + backward;
    const overlap = Math.max(0, anchor.newStart + forward - (found.newStart - backward));
    const kept = overlap === 0 ? 0 : bestSplit(old, fresh, anchor, found, forward, backward, overlap);
    const length = forward - overlap + kept;
    if (length > 0) copies.push({ ...anchor, length });
    const back = backward - kept;
    anchor = { newStart: found.newStart - back, oldStart: found.oldStart - back };
    scan = found.newStart + found.length;
    if (found.length === 0) break;
  }
  if (scan >= fresh.length && anchor.newStart < fresh.length) {
    const length = stretchForward(old, fresh, anchor, fresh.length);
    if (length > 0) copies.push({ ...anchor, length });
  }
  return copies;
}

function isOverworked({ compared }: Matcher, done: number): boolean {
  return compared > WORK_PER_BYTE_MAX * done + WORK_MIN;
}

interface Found {
  newStart: number;
  oldStart: number;
  length: number;
}

/** The next exact match that is worth leaving the present offset for; length 0 at the end of the image. */
function nextMatch(old: Uint8Array, fresh: Uint8Array, matcher: Matcher, from: number, offset: number): Found {
  let agreeing = 0;
  let counted = from;
  for (let scan = from; scan < fresh.length; ) {
    const { position, length } = matcher.longest(fresh, scan);
    for (; counted < scan + length; counted++) if (old[counted + offset] === fresh[counted]) agreeing++;
    if (length > agreeing + CHOICES.gainBytes) return { newStart: scan, oldStart: position, length };
    if (length === agreeing && length > 0) {
      // The present offset gives the same bytes: go on behind them.
      scan += length;
      agreeing = 0;
      counted = scan;
      continue;
    }
    // Almost as good at the present offset. Long matches are left in strides: a step of one byte each would take time
    // proportional to the square of the length in images with large equal pages.
    const stride = Math.max(1, length >> 3, isOverworked(matcher, scan) ? length : 0);
    for (let i = 0; i < stride && scan < fresh.length; i++, scan++) {
      if (scan < counted && old[scan + offset] === fresh[scan]) agreeing--;
    }
    counted = Math.max(counted, scan);
  }
  return { newStart: fresh.length, oldStart: 0, length: 0 };
}

/** Bytes that stretch from the anchor towards `end` while more than half agree. */
function stretchForward(
  old: Uint8Array,
  fresh: Uint8Array,
  anchor: { newStart: number; oldStart: number },
  end: number,
): number {
  const most = Math.min(end - anchor.newStart, old.length - anchor.oldStart);
  let agreeing = 0;
  let best = 0;
  let bestScore = 0;
  for (let i = 0; i < most; i++) {
    if (old[anchor.oldStart + i] === fresh[anchor.newStart + i]) agreeing++;
    const score = 2 * agreeing - (i + 1);
    if (score > bestScore) {
      bestScore = score;
      best = i + 1;
    }
  }
  return best;
}

function stretchBackward(old: Uint8Array, fresh: Uint8Array, found: Found, floor: number): number {
  const most = Math.min(found.newStart - floor, found.oldStart);
  let agreeing = 0;
  let best = 0;
  let bestScore = 0;
  for (let i = 1; i <= most; i++) {
    if (old[found.oldStart - i] === fresh[found.newStart - i]) agreeing++;
    const score = 2 * agreeing - i;
    if (score > bestScore) {
      bestScore = score;
      best = i;
    }
  }
  return best;
}

/** Where two stretches overlap, the bytes of the overlap that the first one keeps. */
function bestSplit(
  old: Uint8Array,
  fresh: Uint8Array,
  first: { newStart: number; oldStart: number },
  second: Found,
  forward: number,
  backward: number,
  overlap: number,
): number {
  const start = first.newStart + forward - overlap;
  let score = 0;
  let best = 0;
  let bestScore = 0;
  for (let i = 0; i < overlap; i++) {
    const byte = fresh[start + i];
    if (old[first.oldStart + forward - overlap + i] === byte) score++;
    if (old[second.oldStart - backward + i] === byte) score--;
    if (score > bestScore) {
      bestScore = score;
      best = i + 1;
    }
  }
  return best;
}
