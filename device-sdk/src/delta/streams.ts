/** What a decoder reads from and writes to. */

/** The old image, read in small pieces: a flash region, or a buffer. */
export interface OldImage {
  read(offset: number, into: Uint8Array): void;
}

/** Where output and checkpoints go. `page` is a view into the workspace: copy or write it before returning. */
export interface Sink {
  page(bytes: Uint8Array): void;
  /** All output up to here has been given out; a decoder can be resumed from it. */
  checkpoint?(checkpoint: Checkpoint): void;
}

export interface Checkpoint {
  /** Container bytes before this point; feed the rest. */
  streamOffset: number;
  outputOffset: number;
  /** To store beside a journal's own. */
  record: Uint8Array;
}
