/**
 * A ledger in memory that runs the real contract, one entry a block, with real heads, receipts and proofs: everything
 * but the disk. The trees are recomputed by their definition, so it is for short lives.
 */
import type { Committed, LedgerClient, LedgerEvent, LedgerHead } from '@countersign/broker/ledger/client';
import { evaluate } from '@countersign/broker/ledger/contract/queries';
import type { KeyMod } from '@countersign/broker/ledger/contract/stub';
import { type Change, Execution, startOf } from '@countersign/broker/ledger/execution';
import { MemoryValues } from '@countersign/broker/ledger/key-values';
import { compositeKey, TransactionStub } from '@countersign/broker/ledger/transaction-stub';
import { demand, type Verifier } from '@countersign/device-sdk';
import { encodeReceipt, type Head, hex, readHead, type Signer, signHead } from '@countersign/device-sdk/format';
import { consistencyPath, inclusionPath } from './tree.ts';

export interface ContractLedger extends LedgerClient {
  /** Signs the newest head anew at this time, as the log does when nothing is entered for long. */
  resign(time: number): Promise<void>;
  /** Leaves in order. */
  readonly leaves: LedgerEvent[];
}

/** @param genesis trust root 1, then at least two people */
export async function contractLedger(
  verifier: Verifier,
  genesis: readonly Uint8Array[],
  log: Signer,
  now: () => number,
): Promise<ContractLedger> {
  const { sha256 } = verifier;
  const values = new Histories();
  const leaves: LedgerEvent[] = [];
  const hashes: Uint8Array[] = [];
  const followers = new Set<() => void>();
  let point = startOf(verifier);
  let newest!: LedgerHead;
  let last: Promise<unknown> = Promise.resolve();
  await run(genesis);

  return {
    leaves,
    submit(statement) {
      const next = last.then(() => run([statement]));
      last = next.catch(() => undefined);
      return next;
    },
    evaluate: (query, ...args) =>
      evaluate(new TransactionStub(values, { txId: '', channel: '', time: 0 }), positionOf, query, args),
    head: async () => newest,
    receipt: async (leaf) => ({ receipt: receiptOf(leaf), head: newest }),
    async announcementProof(classId) {
      const { entry, proof } = point.index.prove(classId);
      const [rollout] = leaves.filter(({ bytes }) => hex(sha256(bytes)) === hex(entry.rolloutDigest));
      return { receipt: receiptOf(entry.releaseLeaf), head: newest, index: { entry, proof }, rollout: rollout!.bytes };
    },
    async consistency(from, to) {
      demand(from >= 1 && from <= to && to <= hashes.length, 'BAD_REQUEST', `from ${from} to ${to}`);
      return consistencyPath(sha256, hashes.slice(0, to), from);
    },
    entries: async (from, count) => leaves.slice(from, from + count).map(({ bytes }) => bytes),
    async entry(hash) {
      return leaves[find(hash)]!.bytes;
    },
    roots: async (from) => (from <= 1 ? [leaves[0]!.bytes] : []),
    follow(fromLeaf, call) {
      let next = fromLeaf;
      let running = false;
      const go = async () => {
        if (running) return;
        running = true;
        while (next < leaves.length && followers.has(go)) await call(leaves[next++]!);
        running = false;
      };
      followers.add(go);
      void go();
      return { stop: () => void followers.delete(go) };
    },
    resign: (time) => sign({ ...newest.head, time }),
    async close() {
      followers.clear();
    },
  };

  async function run(entries: readonly Uint8Array[]): Promise<Committed> {
    const execution = new Execution(point, values, verifier, Math.max(now(), point.time));
    let added!: { leafIndex: number; leafHash: Uint8Array };
    for (const bytes of entries) added = await execution.add(bytes);
    const sealed = execution.seal();
    const { header, transactions } = sealed;
    values.apply(sealed.writes);
    values.record(sealed.changes, header.time);
    for (const { hash, transaction } of sealed.leaves) {
      const bytes = transaction === undefined ? releaseLeaf(hash) : transactions[transaction]!;
      const leafIndex = leaves.length;
      leaves.push({ leafIndex, leafHash: hash, bytes, blockNumber: header.number, time: header.time });
      hashes.push(hash);
    }
    point = sealed.next(sha256(header.dataHash));
    const { origin, treeSize: size, root, indexRoot, time, rootVersion } = header;
    await sign({ origin, size, root, indexRoot, time, rootVersion });
    for (const go of followers) go();
    return { ...added, blockNumber: header.number, size };
  }

  async function sign(head: Head): Promise<void> {
    newest = { head, signed: await signHead(sha256, head, log), cosignatures: [] };
  }

  function releaseLeaf(hash: Uint8Array): Uint8Array {
    const parts = JSON.parse(Buffer.from(values.get(compositeKey('manifest', [hex(hash)]))!).toString());
    return new Uint8Array(Buffer.from(parts.block1, 'hex'));
  }

  function receiptOf(leaf: Uint8Array): Uint8Array {
    const index = find(leaf);
    return encodeReceipt(readHead(newest.signed), index, inclusionPath(sha256, hashes, index));
  }

  function find(hash: Uint8Array): number {
    const index = positionOf(hex(hash));
    demand(index !== undefined, 'NOT_FOUND', `no leaf ${hex(hash)}`);
    return index;
  }

  function positionOf(leaf: string): number | undefined {
    const index = hashes.findIndex((hash) => hex(hash) === leaf);
    return index < 0 ? undefined : index;
  }
}

class Histories extends MemoryValues {
  readonly #changes = new Map<string, KeyMod[]>();

  record(changes: readonly Change[], time: number): void {
    for (const { key, value } of changes) {
      const list = this.#changes.get(key) ?? [];
      const timestamp = { seconds: time, nanos: 0 };
      list.unshift({ txId: '', value: value ?? new Uint8Array(), isDelete: value === null, timestamp });
      this.#changes.set(key, list);
    }
  }

  override async *history(key: string): AsyncGenerator<KeyMod> {
    yield* this.#changes.get(key) ?? [];
  }
}
