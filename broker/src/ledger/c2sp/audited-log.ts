/** What an auditor may see of a log: its newest checkpoint, tiles, entries and proofs. */
export interface AuditedLog {
  readonly origin: string;
  /**
   * The newest checkpoint, a signed note that is kept on disk before it is given.
   * @throws Refusal UNSUPPORTED where the origin cannot stand in one, BAD_HEAD where it would contradict a former one
   */
  checkpoint(): Promise<Uint8Array>;
  /**
   * The first `width` hashes of a tile, one behind another.
   * @throws Refusal NOT_FOUND beyond the signed head
   */
  hashes(level: number, n: number, width: number): Uint8Array;
  /** Entries `from` to `from + count - 1`. @throws Refusal NOT_FOUND where one of them is beyond the signed head */
  entryBytes(from: number, count: number): Promise<Uint8Array[]>;
  /** Where a leaf stands in the tree of `size` leaves. @throws Refusal NOT_FOUND */
  inclusion(leafHash: Uint8Array, size: number): { index: number; path: Uint8Array[] };
}
