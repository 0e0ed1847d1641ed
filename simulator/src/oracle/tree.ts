/** The Merkle tree of RFC 9162, grown leaf by leaf: the root at every size that the ledger ever had. */
import { hex, sha256 } from './crypto.ts';

export function leafHashOf(bytes: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(0), bytes);
}

export class Tree {
  /** Roots of the whole subtrees, the largest first. */
  #peaks: { height: number; hash: Uint8Array }[] = [];
  readonly #roots: string[] = [hex(sha256())];

  get size(): number {
    return this.#roots.length - 1;
  }

  add(leafHash: Uint8Array): void {
    let peak = { height: 0, hash: leafHash };
    while (this.#peaks.at(-1)?.height === peak.height) {
      const left = this.#peaks.pop()!;
      peak = { height: peak.height + 1, hash: nodeHash(left.hash, peak.hash) };
    }
    this.#peaks.push(peak);
    this.#roots.push(hex(this.#peaks.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right))));
  }

  /** In hex; undefined for a size that it never had. */
  rootAt(size: number): string | undefined {
    return this.#roots[size];
  }
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(Uint8Array.of(1), left, right);
}
