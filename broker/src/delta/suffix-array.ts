/**
 * Suffix array by induced sorting (SA-IS: Nong, Zhang, Chan, 2009): linear time on every input, 16 MB of zeros included,
 * where prefix doubling and bsdiff's own sort crawl.
 */

/** Start positions of all suffixes of `text`, in order. Memory: about 13 bytes per byte of text. */
export function suffixArray(text: Uint8Array): Int32Array {
  return sort(text, 255);
}

type Text = Uint8Array | Int32Array;

function sort(text: Text, top: number): Int32Array {
  const n = text.length;
  if (n === 0) return new Int32Array(0);
  if (n === 1) return Int32Array.of(0);
  const small = smallerThanNext(text);
  const starts = bucketStarts(text, small, top);
  const order = new Int32Array(n);
  const lms = leftmostSmall(small);
  induce(text, small, starts, order, lms);
  if (lms.length === 0) return order;
  const { names, distinct } = nameBlocks(text, small, order, lms);
  const ranked = distinct === lms.length ? invert(names) : sort(names, distinct - 1);
  const sorted = new Int32Array(lms.length);
  for (let i = 0; i < lms.length; i++) sorted[i] = lms[ranked[i]!]!;
  induce(text, small, starts, order, sorted);
  return order;
}

/** 1 where a suffix is smaller than the one that follows it (type S). */
function smallerThanNext(text: Text): Uint8Array {
  const small = new Uint8Array(text.length);
  for (let i = text.length - 2; i >= 0; i--) {
    const here = text[i]!;
    const next = text[i + 1]!;
    small[i] = here === next ? small[i + 1]! : here < next ? 1 : 0;
  }
  return small;
}

/** Positions of type S whose left neighbour is not. */
function leftmostSmall(small: Uint8Array): Int32Array {
  const found: number[] = [];
  for (let i = 1; i < small.length; i++) if (small[i] && !small[i - 1]) found.push(i);
  return Int32Array.from(found);
}

/** For each symbol: where its suffixes of type L begin, and where those of type S begin behind them. */
function bucketStarts(text: Text, small: Uint8Array, top: number): { large: Int32Array; small: Int32Array } {
  const large = new Int32Array(top + 2);
  const behind = new Int32Array(top + 2);
  for (let i = 0; i < text.length; i++) {
    if (small[i]) large[text[i]! + 1]!++;
    else behind[text[i]!]!++;
  }
  for (let symbol = 0; symbol <= top; symbol++) {
    behind[symbol]! += large[symbol]!;
    if (symbol < top) large[symbol + 1]! += behind[symbol]!;
  }
  return { large, small: behind };
}

/** Puts the given positions into their buckets and derives the order of all others from them. */
function induce(
  text: Text,
  small: Uint8Array,
  starts: { large: Int32Array; small: Int32Array },
  order: Int32Array,
  seeds: Int32Array,
): void {
  const n = text.length;
  order.fill(-1);
  const next = starts.small.slice();
  for (const seed of seeds) order[next[text[seed]!]!++] = seed;
  next.set(starts.large);
  order[next[text[n - 1]!]!++] = n - 1;
  for (let i = 0; i < n; i++) {
    const at = order[i]!;
    if (at >= 1 && !small[at - 1]) order[next[text[at - 1]!]!++] = at - 1;
  }
  next.set(starts.large);
  for (let i = n - 1; i >= 0; i--) {
    const at = order[i]!;
    if (at >= 1 && small[at - 1]) order[--next[text[at - 1]! + 1]!] = at - 1;
  }
}

/** Gives equal blocks between leftmost-S positions equal names, in their order. */
function nameBlocks(
  text: Text,
  small: Uint8Array,
  order: Int32Array,
  lms: Int32Array,
): { names: Int32Array; distinct: number } {
  const n = text.length;
  const indexOf = new Int32Array(n).fill(-1);
  for (let i = 0; i < lms.length; i++) indexOf[lms[i]!] = i;
  const names = new Int32Array(lms.length);
  let distinct = 0;
  let previous = -1;
  for (let i = 0; i < n; i++) {
    const at = order[i]!;
    const index = indexOf[at]!;
    if (index < 0) continue;
    if (previous >= 0 && !sameBlock(text, small, lms, previous, index)) distinct++;
    names[index] = distinct;
    previous = index;
  }
  return { names, distinct: distinct + 1 };
}

function sameBlock(text: Text, small: Uint8Array, lms: Int32Array, a: number, b: number): boolean {
  const n = text.length;
  const endA = a + 1 < lms.length ? lms[a + 1]! : n;
  const endB = b + 1 < lms.length ? lms[b + 1]! : n;
  const startA = lms[a]!;
  const startB = lms[b]!;
  if (endA - startA !== endB - startB || endA === n || endB === n) return false;
  for (let i = 0; i <= endA - startA; i++) {
    if (text[startA + i] !== text[startB + i] || small[startA + i] !== small[startB + i]) return false;
  }
  return true;
}

function invert(names: Int32Array): Int32Array {
  const positions = new Int32Array(names.length);
  for (let i = 0; i < names.length; i++) positions[names[i]!] = i;
  return positions;
}
