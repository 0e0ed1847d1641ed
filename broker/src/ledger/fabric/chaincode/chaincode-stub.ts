/**
 * Fabric's stub as the contract wants it: byte arrays, nothing written before the handler has ended well, and a loud
 * fault where Fabric is only quiet (a key read after it was written gives the old value there).
 */
import { demand } from '@countersign/device-sdk';
import type { KeyMod, KV, LedgerStub, Timestamp } from '../../contract/stub.ts';

const NOTHING = new Uint8Array();

/** One chaincode holds any number of ledgers; the name of one stands first in each of its keys. */
export const LEDGER_NAME = /^[\x21-\x7e]{1,64}$/;

/** State writes of former entries of the same transaction; only the beginning of a ledger has any. */
export type Before = ReadonlyMap<string, Uint8Array | null>;

export class ChaincodeStub implements LedgerStub {
  readonly writes = new Map<string, Uint8Array | null>();
  readonly #fabric: LedgerStub;
  readonly #ledger: string;
  readonly #before: Before;
  #event: { name: string; payload: Uint8Array } | undefined;

  /** @throws Refusal BAD_REQUEST for a name that is none */
  constructor(fabric: LedgerStub, ledger: string, before: Before = new Map()) {
    demand(LEDGER_NAME.test(ledger), 'BAD_REQUEST', 'a ledger has a name of 1 to 64 plain characters');
    this.#fabric = fabric;
    this.#ledger = ledger;
    this.#before = before;
  }

  getTxID(): string {
    return this.#fabric.getTxID();
  }

  getChannelID(): string {
    return this.#fabric.getChannelID();
  }

  /** What the submitter's clock said, the same for every endorser. Recorded, never a reason. */
  getTxTimestamp(): Timestamp {
    const { seconds, nanos } = this.#fabric.getTxTimestamp();
    return { seconds: Number(seconds), nanos };
  }

  /** A Fabric identity opens the channel and nothing else: who acts is said by the statement's own signature. */
  getCreator(): { mspid: string; idBytes: Uint8Array } {
    return this.#fabric.getCreator();
  }

  async getState(key: string): Promise<Uint8Array> {
    if (this.writes.has(key)) throw new TypeError(`${JSON.stringify(key)} was written by this transaction`);
    if (this.#before.has(key)) return this.#before.get(key) ?? NOTHING;
    return bytesOf(await this.#fabric.getState(key));
  }

  async putState(key: string, value: Uint8Array): Promise<void> {
    this.writes.set(key, value);
  }

  async deleteState(key: string): Promise<void> {
    this.writes.set(key, null);
  }

  createCompositeKey(objectType: string, attributes: string[]): string {
    return this.#fabric.createCompositeKey(objectType, [this.#ledger, ...attributes]);
  }

  splitCompositeKey(key: string): { objectType: string; attributes: string[] } {
    const { objectType, attributes } = this.#fabric.splitCompositeKey(key);
    return { objectType, attributes: attributes.slice(1) };
  }

  async *getStateByPartialCompositeKey(objectType: string, attributes: string[]): AsyncGenerator<KV> {
    const prefix = this.createCompositeKey(objectType, attributes);
    const found = this.#fabric.getStateByPartialCompositeKey(objectType, [this.#ledger, ...attributes]);
    const rows = new Map<string, Uint8Array | null>();
    for await (const { key, value } of found) rows.set(key, bytesOf(value));
    for (const [key, value] of this.#before) if (key.startsWith(prefix)) rows.set(key, value);
    for (const key of [...rows.keys()].sort()) {
      const value = rows.get(key);
      if (value) yield { key, value };
    }
  }

  async *getHistoryForKey(key: string): AsyncGenerator<KeyMod> {
    for await (const { txId, value, isDelete, timestamp } of this.#fabric.getHistoryForKey(key)) {
      const { seconds, nanos } = timestamp;
      yield { txId, value: bytesOf(value), isDelete, timestamp: { seconds: Number(seconds), nanos } };
    }
  }

  setEvent(name: string, payload: Uint8Array): void {
    this.#event = { name, payload };
  }

  /** Hands everything to Fabric, in one order on every endorser. */
  async flush(): Promise<void> {
    for (const [key, value] of [...this.writes].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (value === null) await this.#fabric.deleteState(key);
      else await this.#fabric.putState(key, value);
    }
    if (this.#event) this.#fabric.setEvent(this.#event.name, this.#event.payload);
  }
}

function bytesOf(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}
