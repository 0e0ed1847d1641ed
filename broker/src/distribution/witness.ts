import { join } from 'node:path';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  type Cosignature,
  decode,
  encode,
  type Head,
  type Receipt,
  readHead,
  readReceipt,
  readSignedRoot,
  type SignedRoot,
  type TrustRoot,
  type Value,
} from '@countersign/device-sdk/format';
import {
  checkGrowth,
  checkQuorum,
  checkSuccession,
  nextRoot,
  openRoot,
  verifyHead,
  verifyReceipt,
} from '@countersign/device-sdk/verify';
import type { LedgerClient, LedgerHead, ProvenIndexEntry } from '../ledger/client.ts';
import { keptHead, readKeptHead } from '../ledger/kept-head.ts';
import { makeFolder, writeDurable } from '../store/durable.ts';
import { readIfThere } from './files.ts';
import { serial } from './serial.ts';

/** A receipt that was checked, with the head it leads to. */
export interface CheckedReceipt {
  bytes: Uint8Array;
  receipt: Receipt;
  head: Head;
}

/** What an announcement is made of, all under one head. The index entry is proven when the whole is checked. */
export interface CheckedProof extends CheckedReceipt {
  cosignatures: Cosignature[];
  index: ProvenIndexEntry;
  rollout: Uint8Array;
}

/**
 * The server's own memory of the ledger: the trust root given from outside and its successors, and the newest head it
 * has accepted. The ledger is a stranger: each answer is checked against these before anything is made of it.
 */
export interface Witness {
  readonly root: TrustRoot;
  /** Undefined until the first answer of the ledger was checked. */
  readonly head: Head | undefined;
  /** Signed trust roots from this version on, oldest first. */
  rootsFrom(version: number): Promise<Uint8Array[]>;
  /** Checks and adopts the ledger's newest head. */
  newestHead(): Promise<{ head: Head; ledgerHead: LedgerHead }>;
  receipt(leafHash: Uint8Array): Promise<CheckedReceipt>;
  announcementProof(classId: Uint8Array, leafOf: (entry: ProvenIndexEntry) => Uint8Array): Promise<CheckedProof>;
}

/** A ledger that answers with more new roots than this at once is not ours. */
const ROOTS_AT_ONCE_MAX = 256;

/**
 * @param adopted hears the trust root in force, at once and whenever a next one was accepted: before anything is checked
 * or signed under it
 * @param pinned trust root, signed, from outside: the file an operator copied, never the ledger's word
 * @throws Refusal BAD_ROOT, BAD_STORE
 */
export async function openWitness(
  verifier: Verifier,
  ledger: LedgerClient,
  pinned: Uint8Array,
  dir: string,
  adopted: (root: TrustRoot) => Promise<void> = async () => undefined,
): Promise<Witness> {
  const path = join(dir, 'witness.cbor');
  const roots: SignedRoot[] = [openRoot(verifier, pinned)];
  let head: Head | undefined;
  await recall();
  await adopted(roots.at(-1)!.root);
  // One at a time: two answers that overtake each other would look like a ledger that went backwards.
  const inOrder = serial();

  return {
    get root() {
      return roots.at(-1)!.root;
    },
    get head() {
      return head;
    },
    rootsFrom: (version) => inOrder(() => rootsFrom(version)),
    newestHead: () =>
      inOrder(async () => {
        const ledgerHead = await ledger.head();
        const signed = readHead(ledgerHead.signed);
        await followRoots(signed.fields.rootVersion);
        const next = verifyHead(verifier, current(), signed, ledgerHead.head.root);
        await adopt(next, ledgerHead.cosignatures);
        return { head: next, ledgerHead };
      }),
    receipt: (leafHash) =>
      inOrder(async () => {
        const answer = await ledger.receipt(leafHash);
        return check(answer.receipt, leafHash, answer.head.cosignatures);
      }),
    announcementProof: (classId, leafOf) =>
      inOrder(async () => {
        const { receipt, head: ledgerHead, index, rollout } = await ledger.announcementProof(classId);
        const { cosignatures } = ledgerHead;
        return { ...(await check(receipt, leafOf(index), cosignatures)), cosignatures, index, rollout };
      }),
  };

  function current(): TrustRoot {
    return roots.at(-1)!.root;
  }

  async function check(bytes: Uint8Array, leaf: Uint8Array, cosignatures: Cosignature[]): Promise<CheckedReceipt> {
    const receipt = readReceipt(bytes);
    await followRoots(receipt.signed.fields.rootVersion);
    const next = verifyReceipt(verifier, current(), receipt, leaf);
    await adopt(next, cosignatures);
    return { bytes, receipt, head: next };
  }

  /** Devices may rely on a quorum alone; a server can afford to see the growth proven as well. */
  async function adopt(next: Head, cosignatures: readonly Cosignature[]): Promise<void> {
    checkQuorum(verifier, current(), next, cosignatures);
    if (head) {
      checkSuccession(current(), head, next);
      if (next.size > head.size) {
        checkGrowth(verifier, head, next, await ledger.consistency(head.size, next.size));
      } else if (next.time === head.time && next.rootVersion === head.rootVersion) return;
    }
    await keep(next);
    head = next;
  }

  async function followRoots(version: number): Promise<void> {
    if (version <= current().version) return;
    const known = roots.length;
    try {
      for (const bytes of (await ledger.roots(current().version + 1)).slice(0, ROOTS_AT_ONCE_MAX)) {
        roots.push(nextRoot(verifier, current(), bytes));
      }
      demand(current().version >= version, 'OLD_ROOT', `a head under trust root ${version}, which the ledger lacks`);
      await adopted(current());
      await keep(head);
    } catch (error) {
      roots.length = known;
      throw error;
    }
  }

  async function rootsFrom(version: number): Promise<Uint8Array[]> {
    const oldest = roots[0]!.root.version;
    if (version >= oldest) return roots.slice(version - oldest).map((signed) => signed.bytes);
    return [...(await olderRoots(version)), ...roots.map((signed) => signed.bytes)];
  }

  /** Roots before the pinned one are the ledger's word until they lead to it. */
  async function olderRoots(version: number): Promise<Uint8Array[]> {
    const oldest = roots[0]!;
    const list = (await ledger.roots(version)).slice(0, oldest.root.version - version);
    demand(list.length === oldest.root.version - version && list[0], 'NOT_FOUND', `no trust root ${version}`);
    let last = openRoot(verifier, list[0]);
    demand(last.root.version === version, 'BAD_ROOT', `asked for trust root ${version}, got ${last.root.version}`);
    for (const bytes of [...list.slice(1), oldest.bytes]) last = nextRoot(verifier, last.root, bytes);
    return list;
  }

  /** Head and roots in one file: no crash can leave a head under a root that is not there. */
  async function keep(next: Head | undefined): Promise<void> {
    const later = roots.slice(1).map((signed): Value => signed.bytes);
    await writeDurable(path, encode([1, later, next ? keptHead(next) : null]));
  }

  async function recall(): Promise<void> {
    await makeFolder(dir);
    const bytes = await readIfThere(path);
    if (!bytes) return;
    try {
      const [version, later, stored] = asArray(decode(bytes), 'witness', 3);
      demand(version === 1, 'BAD_STORE', `witness version ${String(version)}`);
      for (const item of asArray(later, 'roots')) recallRoot(asBytes(item, 'root'));
      head = stored === null ? undefined : readKeptHead(stored);
    } catch (cause) {
      throw new Refusal('BAD_STORE', `${path} is damaged, or of another trust root`, { cause });
    }
  }

  /** The operator may have pinned a newer root since: those up to it are the past. */
  function recallRoot(bytes: Uint8Array): void {
    const { version } = readSignedRoot(verifier.sha256, bytes).root;
    if (version > current().version) roots.push(nextRoot(verifier, current(), bytes));
  }
}
