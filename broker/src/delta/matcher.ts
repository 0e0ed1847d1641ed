/** Longest matches of a text in another, by binary search in its suffix array. */

/** Longer matches are found in pieces of this size, so that one search costs a bounded time. */
const MATCH_BYTES_MAX = 1 << 16;

export class Matcher {
  readonly #old: Uint8Array;
  readonly #order: Int32Array;

  constructor(old: Uint8Array, order: Int32Array) {
    this.#old = old;
    this.#order = order;
  }

  /**
   * The longest match of what stands at `at`. The common lengths with both ends of the search interval are kept (Manber
   * and Myers, 1993), so that a search compares each byte once, not once per halving.
   */
  longest(text: Uint8Array, at: number): { position: number; length: number } {
    const order = this.#order;
    if (order.length === 0) return { position: 0, length: 0 };
    let low = 0;
    let high = order.length - 1;
    let lowLength = this.#common(order[low]!, text, at, 0);
    let highLength = this.#common(order[high]!, text, at, 0);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const length = this.#common(order[middle]!, text, at, Math.min(lowLength, highLength));
      if (this.#isBelow(order[middle]!, text, at, length)) {
        low = middle;
        lowLength = length;
      } else {
        high = middle;
        highLength = length;
      }
    }
    return lowLength > highLength
      ? { position: order[low]!, length: lowLength }
      : { position: order[high]!, length: highLength };
  }

  #common(position: number, text: Uint8Array, at: number, known: number): number {
    const old = this.#old;
    const most = Math.min(old.length - position, text.length - at, MATCH_BYTES_MAX);
    let length = Math.min(known, most);
    while (length < most && old[position + length] === text[at + length]) length++;
    return length;
  }

  #isBelow(position: number, text: Uint8Array, at: number, common: number): boolean {
    const a = position + common;
    const b = at + common;
    if (a >= this.#old.length) return true;
    return b < text.length && this.#old[a]! < text[b]!;
  }
}
