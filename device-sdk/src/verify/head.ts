/** Heads and receipts: the log's signature, the peers' quorum, and the rule by which a stored head may move. */
import { type Code, demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { encode } from '../format/cbor.ts';
import { kidOf, toBeSigned } from '../format/cose.ts';
import {
  type Cosignature,
  type Head,
  type HeadFields,
  headProtected,
  type Receipt,
  type SignedHead,
} from '../format/head.ts';
import { checkConsistency, rootFromInclusion } from '../format/merkle.ts';
import { revokedFrom, type TrustRoot } from '../format/root.ts';
import type { Verifier } from '../ports.ts';
import { keyFor } from './root.ts';
import { checkSign1 } from './signed.ts';

const NO_AAD = new Uint8Array();

/**
 * Recomputes the root from the leaf, then checks the log's signature over it. One result: the head, or a Refusal.
 * @throws Refusal NO_RECEIPT, UNKNOWN_KEY, WRONG_ROLE, REVOKED
 */
export function verifyReceipt(verifier: Verifier, root: TrustRoot, receipt: Receipt, leaf: Uint8Array): Head {
  const { signed, leafIndex, path } = receipt;
  const treeRoot = rootFromInclusion(verifier.sha256, leafIndex, signed.fields.size, leaf, path);
  // The root is detached: a leaf that is not in the tree and a forged signature look the same, and mean the same.
  return verifyHead(verifier, root, signed, treeRoot, 'NO_RECEIPT');
}

/** @throws Refusal BAD_HEAD for another log's head; as {@link verifyReceipt} */
export function verifyHead(
  verifier: Verifier,
  root: TrustRoot,
  signed: SignedHead,
  treeRoot: Uint8Array,
  code: Code = 'BAD_SIGNATURE',
): Head {
  const { origin } = signed.fields;
  demand(origin === root.origin, 'BAD_HEAD', `a head of ${origin}, expected ${root.origin}`);
  // A head says its own size, so a thief of a revoked key could sign small ones for ever: any revocation voids them all.
  const key = keyFor(verifier, root, 'log', signed.kid);
  checkSign1(verifier, signed.sign1, signed.alg, key, treeRoot, 'head', code);
  return { ...signed.fields, root: treeRoot };
}

/**
 * Counts distinct peers of the trust root that signed this very tuple and root. Strangers' signatures count for nothing.
 * @throws Refusal NO_QUORUM
 */
export function checkQuorum(
  verifier: Verifier,
  root: TrustRoot,
  head: Head,
  cosignatures: readonly Cosignature[],
): void {
  const { threshold, keys } = root.roles.peer;
  const signers = keys.filter((key) => {
    if (revokedFrom(verifier.sha256, root, key) !== undefined || !root.algorithms.includes(key.alg)) return false;
    const kid = kidOf(verifier.sha256, key);
    const own = cosignatures.filter((item) => item.alg === key.alg && equal(item.kid, kid));
    return own.some((item) => verifier.verify(key.alg, key.bytes, cosignedBytes(head, item), item.signature));
  });
  demand(signers.length >= threshold, 'NO_QUORUM', `${signers.length} of ${threshold} peers cosigned the head`);
}

/** The bytes a peer signs: the log's own tuple under the peer's alg and kid. */
export function cosignedBytes(head: Head, item: { alg: number; kid: Uint8Array }): Uint8Array {
  const fields: HeadFields = head;
  return toBeSigned(encode(headProtected(fields, item.alg, item.kid)), NO_AAD, head.root);
}

/**
 * May the stored head move to `next`? Equal size demands equal root, equal index root and a time not earlier.
 * @returns whether a consistency proof must be shown first (no quorum vouches for append-only, and the log has grown)
 * @throws Refusal STALE, SPLIT_VIEW
 */
export function checkSuccession(root: TrustRoot, stored: Head, next: Head): 'as it is' | 'with proof' {
  demand(next.size >= stored.size, 'STALE', `a head of size ${next.size}, the stored one has ${stored.size}`);
  demand(next.rootVersion >= stored.rootVersion, 'STALE', `a head under trust root ${next.rootVersion}`);
  if (next.size === stored.size) {
    const same = equal(next.root, stored.root) && equal(next.indexRoot, stored.indexRoot);
    demand(same, 'SPLIT_VIEW', `two heads of size ${next.size} differ`);
    demand(next.time >= stored.time, 'STALE', 'an earlier head of the same size');
    return 'as it is';
  }
  return root.roles.peer.threshold > 0 ? 'as it is' : 'with proof';
}

/** @throws Refusal SPLIT_VIEW */
export function checkGrowth(verifier: Verifier, stored: Head, next: Head, path: readonly Uint8Array[]): void {
  checkConsistency(verifier.sha256, stored.size, next.size, stored.root, next.root, path);
}
