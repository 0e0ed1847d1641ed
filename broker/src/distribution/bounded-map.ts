/** A map that forgets the entry unused for longest when it is full: what strangers can name is held in one of these. */
export class BoundedMap<V> {
  readonly #most: number;
  readonly #map = new Map<string, V>();

  /** @param most entries, at least 1 */
  constructor(most: number) {
    if (!Number.isSafeInteger(most) || most < 1) throw new RangeError('a bounded map holds at least one entry');
    this.#most = most;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: string): V | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size > this.#most) this.#map.delete(this.#map.keys().next().value!);
  }

  delete(key: string): void {
    this.#map.delete(key);
  }
}
