/**
 * Where the order comes from when the ledger runs on an engine of other people: Hyperledger Fabric, an EVM chain. The
 * engine says what is final and in which order; our own chain of blocks, tree, heads and receipts follow from that.
 */

/** One final transaction of the outside engine. */
export interface FinalTransaction<S = readonly Uint8Array[] | NamedStatements> {
  /** Its place in the outside block. */
  tx: number;
  /** The entries it carries, in order: usually one; the beginning of a ledger carries trust root and people. */
  statements: S;
}

/** Entries that the engine orders without carrying them. Only whoever has them already can compare. */
export interface NamedStatements {
  count: number;
  /** What they are called by whoever lacks them. */
  name: string;
  /** @throws Refusal DIVERGED where these are not they; UNREACHABLE where that cannot be found out now */
  check(statements: readonly Uint8Array[]): Promise<void>;
}

/** One final block of the outside engine: it and everything before it can no longer change. */
export interface FinalBlock<S = FinalTransaction['statements']> {
  number: number;
  /** What the engine itself identifies the block by, in hex. */
  hash: string;
  /** Only valid transactions of this ledger, in the order of the block. Often none. */
  transactions: readonly FinalTransaction<S>[];
}

/** A block that has been read to its end. */
export interface Position {
  block: number;
  hash: string;
}

/** What reads an outside order and never adds to it. */
export type FollowedSource = Pick<OrderedSource, 'follow' | 'close'>;

export interface OrderedSource {
  /**
   * Writes trust root and first people as the first entries of the ledger. Nothing happens where it has begun: that it
   * began with the same bytes is found by whoever follows.
   * @throws Refusal UNREACHABLE, or of the contract
   */
  begin(statements: readonly Uint8Array[]): Promise<void>;
  /**
   * Hands one statement over and resolves when it is final there.
   * @throws Refusal with the contract's code; BUSY; UNREACHABLE
   */
  submit(statement: Uint8Array): Promise<void>;
  /** Number of the newest final block, -1 where there is none. @throws Refusal UNREACHABLE */
  height(): Promise<number>;
  /**
   * Calls back for every final block behind `after`, from the engine's first where undefined; each once, in order,
   * empty ones too, waiting for each call. A link that fails is tried again until it is stopped.
   * @param failed hears what ended the following: an error of the callback, or of the engine's blocks
   * @param link hears why the engine did not answer, at every try; without a reason, that it has answered
   * @throws Refusal DIVERGED where block `after` is another now; UNREACHABLE: nothing is followed then, ask again
   */
  follow(
    after: Position | undefined,
    call: (block: FinalBlock) => Promise<void>,
    failed: (error: unknown) => void,
    link?: (trouble?: unknown) => void,
  ): Promise<{ stop(): void }>;
  /** Class ids in hex that the engine's own brake holds, as it was last seen; absent where it has none. */
  braked?(): readonly string[];
  close(): Promise<void>;
}
