/** The stub of one transaction on the embedded ledger: as strict as Fabric, and stricter where Fabric is only quiet. */

import { type KeyMod, type KV, LEAF_EVENT, type LedgerStub, type Timestamp } from './contract/stub.ts';
import type { KeyValues } from './key-values.ts';

const NOTHING = new Uint8Array();
/** No handler writes more: 500 devices with 3 keys each. */
export const WRITES_MAX = 2_048;

export class TransactionStub implements LedgerStub {
  readonly writes = new Map<string, Uint8Array | null>();
  /** What the ledger appends after the transaction's own leaf. */
  leaf: Uint8Array | undefined;
  readonly #values: KeyValues;
  readonly #facts: { txId: string; channel: string; time: number };

  constructor(values: KeyValues, facts: { txId: string; channel: string; time: number }) {
    this.#values = values;
    this.#facts = facts;
  }

  getTxID(): string {
    return this.#facts.txId;
  }

  getChannelID(): string {
    return this.#facts.channel;
  }

  getTxTimestamp(): Timestamp {
    return { seconds: this.#facts.time, nanos: 0 };
  }

  /** Every entry carries its signer inside, and the contract checks him there; the submitter has no say. */
  getCreator(): { mspid: string; idBytes: Uint8Array } {
    return { mspid: this.#facts.channel, idBytes: NOTHING };
  }

  /** On Fabric such a read gives the old value without a word; here it is found out at once. */
  async getState(key: string): Promise<Uint8Array> {
    if (this.writes.has(key)) throw new TypeError(`${JSON.stringify(key)} was written by this transaction`);
    return this.#values.get(key) ?? NOTHING;
  }

  async putState(key: string, value: Uint8Array): Promise<void> {
    this.#write(key, value);
  }

  async deleteState(key: string): Promise<void> {
    this.#write(key, null);
  }

  #write(key: string, value: Uint8Array | null): void {
    if (this.writes.size >= WRITES_MAX) throw new RangeError('a transaction writes too many keys');
    this.writes.set(key, value);
  }

  createCompositeKey(objectType: string, attributes: string[]): string {
    return compositeKey(objectType, attributes);
  }

  splitCompositeKey(key: string): { objectType: string; attributes: string[] } {
    return splitCompositeKey(key);
  }

  getStateByPartialCompositeKey(objectType: string, attributes: string[]): AsyncIterable<KV> {
    return this.#values.scan(compositeKey(objectType, attributes));
  }

  getHistoryForKey(key: string): AsyncIterable<KeyMod> {
    return this.#values.history(key);
  }

  setEvent(name: string, payload: Uint8Array): void {
    this.leaf = name === LEAF_EVENT ? payload : undefined;
  }
}

/** As Fabric makes them: a zero character, then the type and each attribute with a zero character behind it. */
export function compositeKey(objectType: string, attributes: readonly string[]): string {
  let key = '\u0000';
  for (const part of [objectType, ...attributes]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the separator must not stand inside a part
    if (!/^[\x01-\x7e]*$/.test(part)) throw new TypeError('a part of a key is plain ASCII');
    key += `${part}\u0000`;
  }
  return key;
}

export function splitCompositeKey(key: string): { objectType: string; attributes: string[] } {
  const [, objectType = '', ...attributes] = key.split('\u0000');
  return { objectType, attributes: attributes.slice(0, -1) };
}
