/**
 * Pages of an image that is written over its own base, in the order in which they are written. Images grow more often
 * than they shrink, and then writing from the end leaves the base whole for longer: the delta says which way.
 */
export class PageOrder {
  readonly imageBytes: number;
  readonly pageBytes: number;
  readonly backward: boolean;
  /** Pages of the image; the last one may be short. */
  readonly count: number;

  constructor(imageBytes: number, pageBytes: number, backward: boolean) {
    this.imageBytes = imageBytes;
    this.pageBytes = pageBytes;
    this.backward = backward;
    this.count = Math.ceil(imageBytes / pageBytes);
  }

  /** Offset in the image of the page that is written as number `turn`, from 0. */
  start(turn: number): number {
    return (this.backward ? this.count - 1 - turn : turn) * this.pageBytes;
  }

  /** Its bytes. */
  length(turn: number): number {
    return Math.min(this.pageBytes, this.imageBytes - this.start(turn));
  }

  /** The turn to which the byte behind the first `produced` ones belongs; `count` at the end. */
  turnAt(produced: number): number {
    if (produced >= this.imageBytes) return this.count;
    if (!this.backward) return Math.floor(produced / this.pageBytes);
    const first = this.length(0);
    return produced < first ? 0 : 1 + Math.floor((produced - first) / this.pageBytes);
  }

  /** Whether a byte of the base is gone when the page of this turn is made: the pages before it lie over it. */
  isGone(offset: number, turn: number): boolean {
    if (turn >= this.count) return true;
    return this.backward ? offset >= this.start(turn) + this.pageBytes : offset < this.start(turn);
  }
}
