/** How far the encoder is, for whoever watches. Candidates are planned as they become known, so the total grows. */
export interface ProgressTold {
  /** Candidates built, of those known so far. */
  done: number;
  total: number;
  /** What is being done now. */
  what: string;
}

export type Tell = (told: ProgressTold) => void;

export class Progress {
  readonly #tell: Tell;
  #done = 0;
  #total = 0;

  constructor(tell: Tell = () => undefined) {
    this.#tell = tell;
  }

  /** So many more candidates will be built. */
  plan(candidates: number): void {
    this.#total += candidates;
  }

  /** Work that is no candidate. */
  note(what: string): void {
    this.#tell({ done: this.#done, total: this.#total, what });
  }

  /** A candidate is built. */
  step(what: string): void {
    this.#done++;
    this.note(what);
  }
}
