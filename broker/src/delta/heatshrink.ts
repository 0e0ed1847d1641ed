/** The heatshrink encoder: the cheapest parse of a section into literals and matches of one fixed cost. */

const LITERAL_BITS = 9;
/** Candidates looked at for each position; beyond this a longer match is rare and time is not bounded. */
const CHAIN_MAX = 256;
const HASH_BITS = 15;

/** Encodes one section; the last byte is padded with zero bits. Decoder: device-sdk/src/delta/heatshrink.ts. */
export function heatshrink(bytes: Uint8Array, windowBits: number, lookaheadBits: number): Uint8Array {
  const { lengths, distances } = longestMatches(bytes, 1 << windowBits, 1 << lookaheadBits);
  const matchBits = 1 + windowBits + lookaheadBits;
  const steps = cheapestSteps(lengths, matchBits);
  const out = new BitWriter();
  for (let at = 0; at < bytes.length; at += steps[at]!) {
    const length = steps[at]!;
    if (length === 1) {
      out.put(1, 1);
      out.put(bytes[at]!, 8);
    } else {
      out.put(0, 1);
      out.put(distances[at]! - 1, windowBits);
      out.put(length - 1, lookaheadBits);
    }
  }
  return out.finish();
}

/** For each position the longest earlier match inside the window, found along chains of equal three-byte hashes. */
function longestMatches(
  bytes: Uint8Array,
  window: number,
  most: number,
): { lengths: Uint16Array; distances: Uint16Array } {
  const n = bytes.length;
  const lengths = new Uint16Array(n);
  const distances = new Uint16Array(n);
  const last = new Int32Array(1 << HASH_BITS).fill(-1);
  const before = new Int32Array(n);
  for (let at = 0; at + 2 < n; at++) {
    const hash = ((bytes[at]! << 10) ^ (bytes[at + 1]! << 5) ^ bytes[at + 2]!) & ((1 << HASH_BITS) - 1);
    let candidate = last[hash]!;
    for (let tries = 0; candidate >= 0 && at - candidate <= window && tries < CHAIN_MAX; tries++) {
      const length = commonLength(bytes, candidate, at, most);
      if (length > lengths[at]!) {
        lengths[at] = length;
        distances[at] = at - candidate;
        if (length === most) break;
      }
      candidate = before[candidate]!;
    }
    before[at] = last[hash]!;
    last[hash] = at;
  }
  return { lengths, distances };
}

function commonLength(bytes: Uint8Array, a: number, b: number, most: number): number {
  const end = Math.min(most, bytes.length - b);
  let length = 0;
  while (length < end && bytes[a + length] === bytes[b + length]) length++;
  return length;
}

/** All matches cost the same, so the cheapest parse is found from the end: any prefix of a match may be taken. */
function cheapestSteps(lengths: Uint16Array, matchBits: number): Uint16Array {
  const n = lengths.length;
  const cost = new Float64Array(n + 1);
  const steps = new Uint16Array(n);
  for (let at = n - 1; at >= 0; at--) {
    cost[at] = LITERAL_BITS + cost[at + 1]!;
    steps[at] = 1;
    for (let length = lengths[at]!; length >= 2; length--) {
      const through = matchBits + cost[at + length]!;
      if (through < cost[at]!) {
        cost[at] = through;
        steps[at] = length;
      }
    }
  }
  return steps;
}

class BitWriter {
  #bytes: number[] = [];
  #bits = 0;
  #count = 0;

  put(value: number, count: number): void {
    this.#bits = ((this.#bits << count) | value) >>> 0;
    this.#count += count;
    while (this.#count >= 8) {
      this.#count -= 8;
      this.#bytes.push((this.#bits >>> this.#count) & 0xff);
      this.#bits &= (1 << this.#count) - 1;
    }
  }

  finish(): Uint8Array {
    if (this.#count > 0) this.#bytes.push((this.#bits << (8 - this.#count)) & 0xff);
    return Uint8Array.from(this.#bytes);
  }
}
