/**
 * What everybody may ask of a ledger, whatever engine stands behind it: in this process, over HTTP, and later on
 * other engines. All bytes are public formats of the device SDK; nothing here is trusted because of where it came from.
 */
import type { Cosignature, Head, IndexEntry, IndexProof } from '@countersign/device-sdk/format';
import type { QueryName } from './contract/query-names.ts';

/** A transaction that is durable: its leaf is under a signed head that has been flushed to disk. */
export interface Committed {
  leafIndex: number;
  leafHash: Uint8Array;
  blockNumber: number;
  /** Tree size of the first head that covers the leaf (and the release leaf that a confirm appends). */
  size: number;
}

/** The newest head with everything needed to check it. */
export interface LedgerHead {
  head: Head;
  /** The signed head: COSE_Sign1 with detached root. */
  signed: Uint8Array;
  cosignatures: Cosignature[];
}

/** One class's entry and its proof under `size`/index root of the head it was made for. */
export interface ProvenIndexEntry {
  entry: IndexEntry;
  proof: IndexProof;
}

/** One leaf as it was appended, for followers. */
export interface LedgerEvent {
  leafIndex: number;
  leafHash: Uint8Array;
  bytes: Uint8Array;
  blockNumber: number;
  /** Seconds since the epoch as the block header records it. */
  time: number;
}

export interface LedgerClient {
  /**
   * Submits one signed statement (tx, report or rollout). Resolves only after fdatasync of the block and of the head.
   * @param code one-time code of the person who signed, passed on unread to a server that asks for one
   * @throws Refusal with the contract's code; BUSY when the queue is full; UNREACHABLE over HTTP
   */
  submit(statement: Uint8Array, code?: string): Promise<Committed>;
  /**
   * Runs a read-only query of the contract.
   * @returns plain JSON; byte strings as lower-case hex, field names as docs/FORMAT.md gives them
   * @throws Refusal NOT_FOUND, BAD_REQUEST
   */
  evaluate(query: QueryName, ...args: string[]): Promise<unknown>;
  head(): Promise<LedgerHead>;
  /** The receipt of a leaf under the newest head. @throws Refusal NOT_FOUND */
  receipt(leafHash: Uint8Array): Promise<{ receipt: Uint8Array; head: LedgerHead }>;
  /**
   * Receipt of a release leaf and its class's index proof under one and the same newest head: what an announcement needs.
   * @throws Refusal NOT_FOUND
   */
  announcementProof(
    classId: Uint8Array,
  ): Promise<{ receipt: Uint8Array; head: LedgerHead; index: ProvenIndexEntry; rollout: Uint8Array }>;
  /** RFC 9162 consistency path. @throws Refusal BAD_REQUEST */
  consistency(from: number, to: number): Promise<Uint8Array[]>;
  /** At most 1,000 leaves from `from`; fewer at the end of the log, or where they would be more than 4 MB. */
  entries(from: number, count: number): Promise<Uint8Array[]>;
  /** One leaf by its hash. @throws Refusal NOT_FOUND */
  entry(leafHash: Uint8Array): Promise<Uint8Array>;
  /** Signed trust roots from version `from`, oldest first. */
  roots(from: number): Promise<Uint8Array[]>;
  /**
   * Calls back for every leaf from `fromLeaf` on, in order, each exactly once, after it is durable. The callback is
   * awaited before the next one.
   */
  follow(
    fromLeaf: number,
    call: (event: LedgerEvent) => Promise<void> | void,
    /** Hears of an error that the callback threw, which ends the following. Without it the process ends. */
    failed?: (error: unknown) => void,
  ): { stop(): void };
  close(): Promise<void>;
}

/** A ledger in this process, which can be served to others. */
export interface LedgerSource extends LedgerClient {
  /** Leaves as {@link LedgerClient.entries} gives them, with where each stands. */
  events(from: number, count: number): Promise<LedgerEvent[]>;
  /** Resolves when the log has more than `size` leaves, after `ms` milliseconds, or when the ledger closes. */
  beyond(size: number, ms: number): Promise<void>;
}

export type { QueryName };
