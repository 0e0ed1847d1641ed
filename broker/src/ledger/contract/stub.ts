/**
 * The part of Hyperledger Fabric's ChaincodeStub that the contract uses, so that one and the same contract runs as
 * chaincode and embedded. Handlers are deterministic: no clock, no randomness, no I/O beside this.
 */
export interface KV {
  key: string;
  value: Uint8Array;
}

export interface KeyMod {
  txId: string;
  value: Uint8Array;
  isDelete: boolean;
  timestamp: Timestamp;
}

/** Fabric gives a Long for the seconds: always `Number(x.seconds)`. */
export interface Timestamp {
  seconds: unknown;
  nanos: number;
}

export interface LedgerStub {
  getTxID(): string;
  getChannelID(): string;
  /** Recorded, never a reason to allow or to refuse. */
  getTxTimestamp(): Timestamp;
  getCreator(): { mspid: string; idBytes: Uint8Array };
  /** A missing key gives empty bytes. Reading a key that this transaction has written is a fault of the handler. */
  getState(key: string): Promise<Uint8Array>;
  putState(key: string, value: Uint8Array): Promise<void>;
  deleteState(key: string): Promise<void>;
  createCompositeKey(objectType: string, attributes: string[]): string;
  splitCompositeKey(key: string): { objectType: string; attributes: string[] };
  getStateByPartialCompositeKey(objectType: string, attributes: string[]): AsyncIterable<KV>;
  /** Newest first. */
  getHistoryForKey(key: string): AsyncIterable<KeyMod>;
  /** One per transaction, the last wins. */
  setEvent(name: string, payload: Uint8Array): void;
}

/** The event whose payload the ledger appends as a leaf of its own, directly after the transaction's. */
export const LEAF_EVENT = 'leaf';
