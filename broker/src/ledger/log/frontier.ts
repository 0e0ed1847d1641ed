/**
 * The right edge of an RFC 9162 tree: one hash per perfect subtree, largest first. Enough to append and to know the
 * root, in memory that grows with the logarithm of the size; proofs are the business of tiles.ts.
 */
import { nodeHash, type Sha256 } from '@countersign/device-sdk/format';

export class Frontier {
  readonly #sha256: Sha256;
  readonly #edge: Uint8Array[];
  #size: number;

  constructor(sha256: Sha256, edge: readonly Uint8Array[] = [], size = 0) {
    this.#sha256 = sha256;
    this.#edge = [...edge];
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** What goes into the constructor again: for whoever keeps it between runs. */
  get edge(): readonly Uint8Array[] {
    return this.#edge;
  }

  append(leafHash: Uint8Array): void {
    let hash = leafHash;
    // Each trailing one bit of the size is a perfect subtree that the new leaf completes into the next larger one.
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      hash = nodeHash(this.#sha256, this.#edge.pop()!, hash);
    }
    this.#edge.push(hash);
    this.#size++;
  }

  /** SHA-256 of nothing for an empty tree (RFC 9162 section 2.1.1). */
  root(): Uint8Array {
    const last = this.#edge.at(-1);
    if (!last) return this.#sha256(new Uint8Array());
    return this.#edge.slice(0, -1).reduceRight((right, left) => nodeHash(this.#sha256, left, right), last);
  }

  copy(): Frontier {
    return new Frontier(this.#sha256, this.#edge, this.#size);
  }
}
