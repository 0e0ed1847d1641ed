/**
 * What one chaincode call read and would write. As on a true peer, it reads only what is committed: its own writes are
 * not seen, and everything read is recorded with its version.
 */
import { ledger } from '@hyperledger/fabric-protos';
import type { Version, VersionedState } from './versioned-state.ts';

const { kvrwset } = ledger.rwset;

export interface ReadWriteSet {
  reads: { key: string; version: Version | undefined }[];
  ranges: { start: string; end: string; rows: { key: string; version: Version }[] }[];
  writes: { key: string; value: Buffer | null }[];
}

export class Simulation {
  readonly set: ReadWriteSet = { reads: [], ranges: [], writes: [] };
  readonly #state: VersionedState;
  readonly #writes = new Map<string, Buffer | null>();

  constructor(state: VersionedState) {
    this.#state = state;
  }

  get(key: string): Buffer {
    const row = this.#state.get(key);
    this.set.reads.push({ key, version: row?.version });
    return row?.value ?? Buffer.alloc(0);
  }

  range(start: string, end: string) {
    const rows = this.#state.range(start, end);
    this.set.ranges.push({ start, end, rows: rows.map(({ key, version }) => ({ key, version })) });
    return rows;
  }

  put(key: string, value: Buffer | null): void {
    if (value?.length === 0) throw new Error('an empty value deletes the key on a true peer');
    this.#writes.set(key, value);
    this.set.writes = [...this.#writes].map(([name, bytes]) => ({ key: name, value: bytes }));
  }

  /** TxReadWriteSet of the chaincode's namespace. */
  encoded(namespace: string): Uint8Array {
    const rwset = new kvrwset.KVRWSet();
    for (const { key, version } of this.set.reads) rwset.addReads(readOf(key, version));
    for (const { start, end, rows } of this.set.ranges) {
      const info = new kvrwset.RangeQueryInfo();
      info.setStartKey(start);
      info.setEndKey(end);
      info.setItrExhausted(true);
      const reads = new kvrwset.QueryReads();
      for (const { key, version } of rows) reads.addKvReads(readOf(key, version));
      info.setRawReads(reads);
      rwset.addRangeQueriesInfo(info);
    }
    for (const { key, value } of [...this.set.writes].sort((a, b) => (a.key < b.key ? -1 : 1))) {
      const write = new kvrwset.KVWrite();
      write.setKey(key);
      write.setIsDelete(value === null);
      if (value) write.setValue(value);
      rwset.addWrites(write);
    }
    const own = new ledger.rwset.NsReadWriteSet();
    own.setNamespace(namespace);
    own.setRwset(rwset.serializeBinary());
    const all = new ledger.rwset.TxReadWriteSet();
    all.addNsRwset(own);
    return all.serializeBinary();
  }
}

/** The sets that a transaction carries in its block. */
export function decodeSets(results: Uint8Array, namespace: string): ReadWriteSet {
  const list = ledger.rwset.TxReadWriteSet.deserializeBinary(results).getNsRwsetList();
  const own = list.find((set) => set.getNamespace() === namespace);
  const rwset = kvrwset.KVRWSet.deserializeBinary(own?.getRwset_asU8() ?? new Uint8Array());
  return {
    reads: rwset.getReadsList().map(readFrom),
    ranges: rwset.getRangeQueriesInfoList().map((info) => ({
      start: info.getStartKey(),
      end: info.getEndKey(),
      rows: (info.getRawReads()?.getKvReadsList() ?? []).map((read) => {
        const { key, version } = readFrom(read);
        return { key, version: version! };
      }),
    })),
    writes: rwset.getWritesList().map((write) => ({
      key: write.getKey(),
      value: write.getIsDelete() ? null : Buffer.from(write.getValue_asU8()),
    })),
  };
}

function readOf(key: string, version: Version | undefined) {
  const read = new kvrwset.KVRead();
  read.setKey(key);
  if (version) {
    const at = new kvrwset.Version();
    at.setBlockNum(version.block);
    at.setTxNum(version.tx);
    read.setVersion(at);
  }
  return read;
}

function readFrom(read: InstanceType<typeof kvrwset.KVRead>): { key: string; version: Version | undefined } {
  const version = read.getVersion();
  return {
    key: read.getKey(),
    version: version && { block: version.getBlockNum(), tx: version.getTxNum() },
  };
}
