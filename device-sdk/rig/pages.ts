/**
 * Pages of equal content, kept once. Ten thousand slots with the same image cost the memory of one image and a list of
 * references each. A page handed out by `intern` is shared and must not be changed.
 *
 * Pages are held weakly: one that no flash refers to any more goes with the garbage collection. What is collected when
 * has no influence on any result.
 */
export class PagePool {
  readonly #buckets = new Map<number, WeakRef<Uint8Array>[]>();
  #sweepAt = SWEEP_MIN;

  /** The pool's page of this content: a former one, or this very one from now on. */
  intern(page: Uint8Array): Uint8Array {
    const hash = hashOf(page);
    const bucket = this.#buckets.get(hash);
    if (bucket === undefined) {
      this.#sweepIfGrown();
      this.#buckets.set(hash, [new WeakRef(page)]);
      return page;
    }
    const known = bucket.map((ref) => ref.deref()).find((other) => other !== undefined && equal(other, page));
    if (known === undefined) bucket.push(new WeakRef(page));
    return known ?? page;
  }

  /** Distinct pages alive now. Walks the whole pool: for tests and figures. */
  get pages(): number {
    this.#sweep();
    let count = 0;
    for (const bucket of this.#buckets.values()) count += bucket.length;
    return count;
  }

  #sweepIfGrown(): void {
    if (this.#buckets.size < this.#sweepAt) return;
    this.#sweep();
    this.#sweepAt = Math.max(SWEEP_MIN, 2 * this.#buckets.size);
  }

  #sweep(): void {
    for (const [hash, bucket] of this.#buckets) {
      const alive = bucket.filter((ref) => ref.deref() !== undefined);
      if (alive.length === 0) this.#buckets.delete(hash);
      else this.#buckets.set(hash, alive);
    }
  }
}

/** Below this many entries the dead ones cost less than looking for them. */
const SWEEP_MIN = 1024;

/** FNV-1a over 32-bit words: it only chooses the bucket, equality decides. */
function hashOf(page: Uint8Array): number {
  const words = wordsOf(page);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words.length; i++) {
    hash = Math.imul(hash ^ (words[i] as number), 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const left = wordsOf(a);
  const right = wordsOf(b);
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/** Pages own their buffer and are a multiple of four bytes long (cells.ts). */
function wordsOf(page: Uint8Array): Uint32Array {
  return new Uint32Array(page.buffer, page.byteOffset, page.length >>> 2);
}
