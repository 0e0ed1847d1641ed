/** From old places to new ones: each run begins at an old place and ends where the next one begins. */
export class AddressMap {
  readonly #starts: Uint32Array;
  readonly #shifts: Int32Array;
  #runs = 0;

  /** @param starts rising; `shifts` are new place less old one */
  constructor(starts: Uint32Array, shifts: Int32Array, runs = starts.length) {
    this.#starts = starts;
    this.#shifts = shifts;
    this.#runs = runs;
  }

  get runs(): number {
    return this.#runs;
  }

  /** Shift of the run that holds `place`; of the first run for what lies before it; 0 without runs. */
  shiftAt(place: number): number {
    if (this.#runs === 0) return 0;
    let low = 0;
    for (let high = this.#runs; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! <= place) low = middle;
      else high = middle;
    }
    return this.#shifts[low]!;
  }
}
