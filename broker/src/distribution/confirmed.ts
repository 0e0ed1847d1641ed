import { demand, type Verifier } from '@countersign/device-sdk';
import {
  type Block1,
  equal,
  hex,
  leafIsOf,
  type Manifest,
  manifestDigest,
  readBlock1,
  readBlock2,
  readManifest,
  readStatement,
  readTransaction,
  releaseLeafHash,
} from '@countersign/device-sdk/format';
import { checkSign1, keyFor } from '@countersign/device-sdk/verify';
import type { LedgerClient } from '../ledger/client.ts';
import { readUpload } from '../ledger/contract/args.ts';
import type { HistoryItem } from '../ledger/contract/views.ts';
import type { Witness } from './witness.ts';

declare const confirmed: unique symbol;

/**
 * What the ledger has confirmed, and this server has checked itself. Only this file makes one; the second signature and
 * every announcement take nothing else, so that what was not confirmed cannot be signed or announced by mistake.
 */
export type Confirmed<T> = T & { readonly [confirmed]: true };

export interface Release {
  releaseLeaf: Uint8Array;
  leafIndex: number;
  block1: Block1;
  manifest: Manifest;
  manifestBytes: Uint8Array;
  manifestDigest: Uint8Array;
  /** The head under which the confirmation was verified: block 2 names it. */
  seen: { size: number; root: Uint8Array };
}

/**
 * Receipt, head, first signature, manifest: in this order, each by this server's own verification.
 * @throws Refusal NOT_FOUND, NO_RECEIPT, NO_QUORUM, SPLIT_VIEW, STALE, BAD_SIGNATURE, UNKNOWN_KEY, WRONG_ROLE, REVOKED,
 * BAD_STATEMENT, MALFORMED; UNREACHABLE
 */
export async function confirmRelease(
  verifier: Verifier,
  ledger: LedgerClient,
  witness: Witness,
  releaseLeaf: Uint8Array,
): Promise<Confirmed<Release>> {
  const block1 = readBlock1(await ledger.entry(releaseLeaf));
  demand(equal(releaseLeafHash(verifier.sha256, block1), releaseLeaf), 'NO_RECEIPT', 'the ledger gave another entry');
  const { receipt, head } = await witness.receipt(releaseLeaf);
  checkFirstSignature(verifier, witness, block1, receipt.leafIndex);
  const manifestBytes = await uploadedManifest(ledger, releaseLeaf);
  const seen = { size: head.size, root: head.root };
  return release(verifier, { block1, manifestBytes, leafIndex: receipt.leafIndex, seen }) as Confirmed<Release>;
}

/**
 * A release that this server has confirmed before: a second signature over exactly this block 1 and manifest, by a
 * distribution key that is still accepted, is its own word for it.
 * @throws Refusal BAD_SIGNATURE, UNKNOWN_KEY, REVOKED, BAD_STATEMENT, MALFORMED
 */
export function recallRelease(
  verifier: Verifier,
  witness: Witness,
  kept: { leaf: Uint8Array; manifestBytes: Uint8Array; leafIndex: number; block2: Uint8Array },
): Confirmed<Release> {
  const block1 = readBlock1(kept.leaf);
  const block2 = readBlock2(kept.block2);
  const key = keyFor(verifier, witness.root, 'distribution', block2.kid);
  checkSign1(verifier, block2.sign1, block2.alg, key, block1.sign1.payload!, 'block 2');
  const own = equal(block2.releaseLeaf, releaseLeafHash(verifier.sha256, block1));
  demand(own, 'BAD_STATEMENT', 'the stored second signature is of another release');
  checkFirstSignature(verifier, witness, block1, kept.leafIndex);
  const { size, root } = block2;
  return release(verifier, { ...kept, block1, seen: { size, root } }) as Confirmed<Release>;
}

function checkFirstSignature(verifier: Verifier, witness: Witness, block1: Block1, leafIndex: number): void {
  const key = keyFor(verifier, witness.root, 'collection', block1.kid, leafIndex);
  checkSign1(verifier, block1.sign1, block1.alg, key, block1.sign1.payload!, 'block 1');
}

function release(
  verifier: Verifier,
  { block1, manifestBytes, leafIndex, seen }: Pick<Release, 'block1' | 'manifestBytes' | 'leafIndex' | 'seen'>,
): Release {
  const { sha256 } = verifier;
  demand(leafIsOf(sha256, block1, manifestBytes), 'BAD_STATEMENT', 'the manifest is not the one that block 1 signs');
  return {
    releaseLeaf: releaseLeafHash(sha256, block1),
    leafIndex,
    block1,
    manifest: readManifest(manifestBytes),
    manifestBytes,
    manifestDigest: manifestDigest(sha256, manifestBytes),
    seen,
  };
}

/** The upload carries the manifest. Where the ledger points is only a hint: the manifest must fit block 1. */
async function uploadedManifest(ledger: LedgerClient, releaseLeaf: Uint8Array): Promise<Uint8Array> {
  const history = (await ledger.evaluate('getHistory', hex(releaseLeaf))) as HistoryItem[];
  const item = history.find(({ action }) => action === 'upload');
  demand(item, 'NOT_FOUND', `no upload of release ${hex(releaseLeaf)} in the ledger`);
  const statement = readStatement(await ledger.entry(Buffer.from(item.leafHash, 'hex')), 'tx');
  return readUpload(readTransaction(statement.payload).args).manifest;
}
