/** The heatshrink encoder: the cheapest parse of a block into literals and matches of one fixed cost. */

const LITERAL_BITS = 9;
/** Candidates looked at for each position; beyond this a longer match is rare and time is not bounded. */
const CHAIN_MAX = 256;
/** A match of this length is kept without looking for a longer one. */
const GOOD_BYTES = 64;
/** In wider windows a match of two bytes costs as much as its literals. */
const WIDE_ABOVE_BITS = 11;

/** For each position the longest earlier match inside a window; lengths and distances in bytes, 0 for none. */
export interface Matches {
  windowBits: number;
  lengths: Uint16Array;
  distances: Uint16Array;
}

/** Encodes one block; the last byte is padded with zero bits. Decoder: device-sdk/src/delta/heatshrink.ts. */
export function heatshrink(bytes: Uint8Array, matches: Matches, lookaheadBits: number): Uint8Array {
  const { windowBits, lengths, distances } = matches;
  const matchBits = 1 + windowBits + lookaheadBits;
  const steps = cheapestSteps(lengths, matchBits, 1 << lookaheadBits);
  const out = new BitWriter();
  for (let at = 0; at < bytes.length; at += steps[at]!) {
    const length = steps[at]!;
    if (length === 1) out.put(0x100 | bytes[at]!, LITERAL_BITS);
    else out.put(((distances[at]! - 1) << lookaheadBits) | (length - 1), matchBits);
  }
  return out.finish();
}

/**
 * Matches along chains of equal byte pairs, because a match of two bytes is already cheaper than two literals in small
 * windows; of equal triples in large ones, whose chains of pairs would be too long. `most` is the longest length worth
 * knowing.
 */
export function findMatches(bytes: Uint8Array, windowBits: number, most: number): Matches {
  const n = bytes.length;
  const lengths = new Uint16Array(n);
  const distances = new Uint16Array(n);
  const last = new Int32Array(1 << 16).fill(-1);
  const before = new Int32Array(n);
  const window = 1 << windowBits;
  const wide = windowBits > WIDE_ABOVE_BITS;
  for (let at = 0; at + 1 < n; at++) {
    // What the byte before matched goes on here: long repeats are followed, not searched for again.
    const inherited = at > 0 && lengths[at - 1]! > 2;
    let best = inherited ? lengths[at - 1]! - 1 : 1;
    if (inherited) {
      const distance = (distances[at] = distances[at - 1]!);
      while (best < most && at + best < n && bytes[at + best - distance] === bytes[at + best]) best++;
    }
    const key = keyAt(bytes, at, wide);
    let candidate = best < GOOD_BYTES ? last[key]! : -1;
    for (let tries = 0; candidate >= 0 && at - candidate <= window && tries < CHAIN_MAX; tries++) {
      if (bytes[candidate + best] === bytes[at + best]) {
        const length = commonLength(bytes, candidate, at, most);
        if (length > best) {
          best = length;
          distances[at] = at - candidate;
          if (length === most) break;
        }
      }
      candidate = before[candidate]!;
    }
    if (best > 1) lengths[at] = best;
    before[at] = last[key]!;
    last[key] = at;
  }
  return { windowBits, lengths, distances };
}

function keyAt(bytes: Uint8Array, at: number, wide: boolean): number {
  const pair = (bytes[at]! << 8) | bytes[at + 1]!;
  return wide ? (pair ^ ((bytes[at + 2] ?? 0) * 0x9e5)) & 0xffff : pair;
}

function commonLength(bytes: Uint8Array, a: number, b: number, most: number): number {
  const end = Math.min(most, bytes.length - b);
  let length = 0;
  while (length < end && bytes[a + length] === bytes[b + length]) length++;
  return length;
}

/**
 * All matches cost the same, so the cheapest parse is found from the end. The longest match is always the best one: a
 * parse of what follows never gets dearer when it may begin later.
 */
function cheapestSteps(lengths: Uint16Array, matchBits: number, most: number): Uint16Array {
  const n = lengths.length;
  const cost = new Float64Array(n + 1);
  const steps = new Uint16Array(n);
  for (let at = n - 1; at >= 0; at--) {
    const length = Math.min(lengths[at]!, most);
    const literal = LITERAL_BITS + cost[at + 1]!;
    const match = length > 1 ? matchBits + cost[at + length]! : Number.POSITIVE_INFINITY;
    cost[at] = Math.min(literal, match);
    steps[at] = match < literal ? length : 1;
  }
  return steps;
}

class BitWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;
  #bits = 0;
  #count = 0;

  /** At most 24 bits at a time. */
  put(value: number, count: number): void {
    this.#bits = ((this.#bits << count) | value) >>> 0;
    this.#count += count;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#push((this.#bits >>> this.#count) & 0xff);
      this.#bits &= (1 << this.#count) - 1;
    }
  }

  finish(): Uint8Array {
    if (this.#count > 0) this.#push((this.#bits << (8 - this.#count)) & 0xff);
    return this.#bytes.slice(0, this.#length);
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
  }
}
