/** Longest matches of a text in another, by binary search in its suffix array. */

/**
 * The search compares no further than this. Where many places agree for so long (padding, repeated pages), any of them
 * will do, and comparing them to their ends at every halving would cost as much again for each.
 */
const SEARCHED_BYTES_MAX = 1024;

export class Matcher {
  /** Bytes compared so far: what the work of an alignment is counted in. */
  compared = 0;
  readonly #old: Uint8Array;
  readonly #order: Int32Array;

  constructor(old: Uint8Array, order: Int32Array) {
    this.#old = old;
    this.#order = order;
  }

  /**
   * The longest match of what stands at `at`; beyond {@link SEARCHED_BYTES_MAX} one of the longest. The common lengths
   * with both ends of the search interval are kept (Manber and Myers, 1993).
   */
  longest(text: Uint8Array, at: number): { position: number; length: number } {
    const order = this.#order;
    if (order.length === 0) return { position: 0, length: 0 };
    let low = 0;
    let high = order.length - 1;
    let lowLength = this.#common(order[low]!, text, at, 0, SEARCHED_BYTES_MAX);
    let highLength = this.#common(order[high]!, text, at, 0, SEARCHED_BYTES_MAX);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const length = this.#common(order[middle]!, text, at, Math.min(lowLength, highLength), SEARCHED_BYTES_MAX);
      if (this.#isBelow(order[middle]!, text, at, length)) {
        low = middle;
        lowLength = length;
      } else {
        high = middle;
        highLength = length;
      }
    }
    const [position, length] = lowLength > highLength ? [order[low]!, lowLength] : [order[high]!, highLength];
    if (length < SEARCHED_BYTES_MAX) return { position, length };
    return { position, length: this.#common(position, text, at, length, text.length) };
  }

  #common(position: number, text: Uint8Array, at: number, known: number, longest: number): number {
    const old = this.#old;
    const most = Math.min(old.length - position, text.length - at, longest);
    const start = Math.min(known, most);
    let length = start;
    while (length < most && old[position + length] === text[at + length]) length++;
    this.compared += length - start + 1;
    return length;
  }

  #isBelow(position: number, text: Uint8Array, at: number, common: number): boolean {
    const a = position + common;
    const b = at + common;
    if (a >= this.#old.length) return true;
    return b < text.length && this.#old[a]! < text[b]!;
  }
}
