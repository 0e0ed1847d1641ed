/**
 * One channel of a small Fabric: what the orderer makes blocks of, and what every peer does with a block: endorsement
 * policy, version check of every read, ranges read again, then the writes. Two organisations with a copy each.
 */
import { createHash } from 'node:crypto';
import { headerHash } from '@countersign/broker/ledger/fabric/fabric-block';
import { common, peer } from '@hyperledger/fabric-protos';
import { decodeSets, type ReadWriteSet } from './simulation.ts';
import { VersionedState } from './versioned-state.ts';

const CODE = peer.TxValidationCode;
/** As the orderer's BatchTimeout, but short. */
const BATCH_MS = 5;
/** As its MaxMessageCount. */
const BATCH_TRANSACTIONS = 10;

export interface Ordered {
  txId: string;
  seconds: number;
  namespace: string;
  results: Uint8Array;
  /** MSP ids whose endorsement it carries. */
  endorsers: string[];
  envelope: Uint8Array;
}

export class Channel {
  /** By MSP id: each organisation's own copy. */
  readonly states: Map<string, VersionedState>;
  readonly blocks: common.Block[] = [];
  readonly #codes = new Map<string, { code: number; block: number }>();
  readonly #waiting = new Set<() => void>();
  #queue: Ordered[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Nothing is ordered while true. */
  held = false;

  constructor(organisations: readonly string[]) {
    this.states = new Map(organisations.map((mspId) => [mspId, new VersionedState()]));
    this.#append([]);
  }

  order(transaction: Ordered): void {
    this.#queue.push(transaction);
    if (this.held) return;
    if (this.#queue.length >= BATCH_TRANSACTIONS) this.cut();
    else this.#timer ??= setTimeout(() => this.cut(), BATCH_MS);
  }

  /** Transactions that wait for a block. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Makes a block of what waits. */
  cut(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#queue.length > 0) this.#append(this.#queue.splice(0, BATCH_TRANSACTIONS));
    if (this.#queue.length > 0) this.cut();
  }

  async status(txId: string): Promise<{ code: number; block: number }> {
    for (;;) {
      const found = this.#codes.get(txId);
      if (found) return found;
      await this.grown();
    }
  }

  grown(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #append(transactions: Ordered[]): void {
    const number = this.blocks.length;
    const codes = transactions.map((transaction, tx) => this.#validate(transaction, { block: number, tx }));
    const block = new common.Block();
    const data = new common.BlockData();
    data.setDataList(transactions.map(({ envelope }) => envelope));
    const header = new common.BlockHeader();
    header.setNumber(number);
    const last = this.blocks.at(-1)?.getHeader();
    header.setPreviousHash(last ? headerHash(last) : new Uint8Array());
    const hash = createHash('sha256');
    for (const { envelope } of transactions) hash.update(envelope);
    header.setDataHash(hash.digest());
    const metadata = new common.BlockMetadata();
    metadata.setMetadataList([new Uint8Array(), new Uint8Array(), Uint8Array.from(codes), new Uint8Array()]);
    block.setHeader(header);
    block.setData(data);
    block.setMetadata(metadata);
    this.blocks.push(block);
    for (const [i, { txId }] of transactions.entries()) this.#codes.set(txId, { code: codes[i]!, block: number });
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Writes of a valid transaction are there for the next one of the same block. */
  #validate({ namespace, results, endorsers, txId, seconds }: Ordered, version: { block: number; tx: number }): number {
    if (this.#codes.has(txId)) return CODE.DUPLICATE_TXID;
    if (new Set(endorsers).size < this.states.size) return CODE.ENDORSEMENT_POLICY_FAILURE;
    const sets = decodeSets(results, namespace);
    const [state] = this.states.values();
    const code = staleness(sets, state!);
    if (code !== CODE.VALID) return code;
    for (const copy of this.states.values()) {
      for (const { key, value } of sets.writes) copy.write(key, value, version, { txId, seconds });
    }
    return CODE.VALID;
  }
}

function staleness({ reads, ranges }: ReadWriteSet, state: VersionedState): number {
  const at = (version: { block: number; tx: number } | undefined) => version && `${version.block}/${version.tx}`;
  for (const { key, version } of reads) {
    if (at(state.get(key)?.version) !== at(version)) return CODE.MVCC_READ_CONFLICT;
  }
  for (const { start, end, rows } of ranges) {
    const text = (list: { key: string; version: { block: number; tx: number } }[]) =>
      list.map(({ key, version }) => `${key} ${at(version)}`).join('\n');
    if (text(state.range(start, end)) !== text(rows)) return CODE.PHANTOM_READ_CONFLICT;
  }
  return CODE.VALID;
}
