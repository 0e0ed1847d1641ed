/** The way in which the blocks of an image come that is written over its own base. */
export type Direction = 'forward' | 'backward';

/**
 * Blocks of an image in the order in which they are decoded. An image that is written over its own base may come last
 * block first: images grow more often than they shrink, and then what it is made from stays whole for longer.
 */
export class BlockOrder {
  readonly imageBytes: number;
  /** Of every block but the one at the image's end, which may be shorter. */
  readonly blockBytes: number;
  /** Undefined where the base stays whole; blocks rise then. */
  readonly inPlace: Direction | undefined;
  readonly count: number;

  constructor(imageBytes: number, blockBytes: number, inPlace?: Direction) {
    this.imageBytes = imageBytes;
    this.blockBytes = blockBytes;
    this.inPlace = inPlace;
    this.count = Math.ceil(imageBytes / blockBytes);
  }

  /** As a container's header says. */
  static of(header: { newBytes: number; checkpointBits: number; inPlace: Direction | undefined }): BlockOrder {
    const { newBytes, checkpointBits, inPlace } = header;
    return new BlockOrder(newBytes, checkpointBits === 0 ? Math.max(1, newBytes) : 2 ** checkpointBits, inPlace);
  }

  get backward(): boolean {
    return this.inPlace === 'backward';
  }

  /** Offset in the image of the block that is decoded as number `turn`, from 0; behind the last one what is left. */
  start(turn: number): number {
    const place = this.backward ? this.count - 1 - turn : turn;
    return Math.max(0, Math.min(place * this.blockBytes, this.imageBytes));
  }

  /** Its bytes. */
  length(turn: number): number {
    return turn < this.count ? Math.min(this.blockBytes, this.imageBytes - this.start(turn)) : 0;
  }

  /** Bytes of the blocks before it. */
  produced(turn: number): number {
    if (!this.backward) return this.start(turn);
    return turn === 0 ? 0 : this.imageBytes - this.start(turn - 1);
  }

  /** The border between what is done and what is not, before this turn: the offset that a checkpoint names. */
  border(turn: number): number {
    return this.start(turn) + (this.backward ? this.length(turn) : 0);
  }

  /** The turn that begins at a border. */
  turnAt(border: number): number {
    const blocks = Math.ceil(border / this.blockBytes);
    return this.backward ? this.count - blocks : blocks;
  }

  /** The turn that makes the byte at this offset. */
  turnOf(offset: number): number {
    const place = Math.floor(offset / this.blockBytes);
    return this.backward ? this.count - 1 - place : place;
  }

  /**
   * Where the old offset stands before the first copy of a block that does not follow the one before: as far behind the
   * image's offset as the first copy of the block before was, or not at all.
   */
  oldStart(turn: number, shift: number, oldBytes: number): number {
    return Math.max(0, Math.min(this.start(turn) + shift, oldBytes));
  }

  /** Bytes of the base that no block before this turn lies over: from the first offset up to the second. */
  remaining(turn: number, oldBytes: number): [from: number, to: number] {
    if (this.inPlace === undefined) return [0, oldBytes];
    const start = this.start(turn);
    return this.backward ? [0, Math.min(oldBytes, start + this.blockBytes)] : [Math.min(start, oldBytes), oldBytes];
  }
}
