/** The class index as a tree: entries sorted by class id, hashed as RFC 9162 leaves, its root in every head. */

import { Refusal } from '@countersign/device-sdk';
import { compare, type IndexEntry, type IndexProof, indexLeaf, type Sha256 } from '@countersign/device-sdk/format';
import { Tiles } from './tiles.ts';

export class ClassIndex {
  readonly #sha256: Sha256;
  readonly #entries: readonly IndexEntry[];
  #tree: Tiles | undefined;

  constructor(sha256: Sha256, entries: readonly IndexEntry[] = []) {
    this.#sha256 = sha256;
    this.#entries = [...entries].sort((a, b) => compare(a.classId, b.classId));
  }

  get classes(): Uint8Array[] {
    return this.#entries.map(({ classId }) => classId);
  }

  /** A new index in which these entries replace those of their classes. */
  with(changed: readonly IndexEntry[]): ClassIndex {
    if (changed.length === 0) return this;
    const kept = this.#entries.filter((old) => changed.every((entry) => compare(entry.classId, old.classId) !== 0));
    return new ClassIndex(this.#sha256, [...kept, ...changed]);
  }

  root(): Uint8Array {
    return this.#built().root();
  }

  /** @throws Refusal NOT_FOUND for a class without an entry */
  prove(classId: Uint8Array): { entry: IndexEntry; proof: IndexProof } {
    const index = this.#entries.findIndex((entry) => compare(entry.classId, classId) === 0);
    const entry = this.#entries[index];
    if (!entry) throw new Refusal('NOT_FOUND', 'no release of this class has been rolled out');
    const path = this.#built().inclusion(index);
    return { entry, proof: { floor: entry.floor, index, size: this.#entries.length, path } };
  }

  #built(): Tiles {
    if (this.#tree) return this.#tree;
    const full = new Map<string, Uint8Array>();
    const tree = Tiles.empty(this.#sha256, {
      tile: (level, n) => full.get(`${level}/${n}`),
      putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
    });
    for (const entry of this.#entries) tree.append(indexLeaf(this.#sha256, entry));
    this.#tree = tree;
    return tree;
  }
}
