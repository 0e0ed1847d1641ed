import { demand, type Verifier } from '@countersign/device-sdk';
import {
  allComponents,
  equal,
  hex,
  leafHash,
  leafIsOf,
  type Manifest,
  publicKeyOf,
  readBlock1,
  readManifest,
  readStatement,
  readTransaction,
  type Signer,
} from '@countersign/device-sdk/format';
import { checkSign1 } from '@countersign/device-sdk/verify';
import type { Committed, LedgerClient } from '../ledger/client.ts';
import { readUpload } from '../ledger/contract/args.ts';
import type { ProductView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';

export interface UploadParts {
  ledger: LedgerClient;
  blobs: BlobStore;
  verifier: Verifier;
  signer: Signer;
}

/**
 * Passes an engineer's signed `upload` on to the ledger, which judges it. Checked here first is only what the ledger
 * cannot see: that block 1 is this server's own work, that every byte it promises is held, and that no other release
 * was confirmed since, which the engineer hears now rather than after an approval that could never be confirmed.
 * @throws Refusal BAD_STATEMENT, NOT_FOUND, CONFLICT, and the contract's own
 */
export async function submitUpload(parts: UploadParts, statement: Uint8Array): Promise<Committed> {
  const { sha256 } = parts.verifier;
  const transaction = readTransaction(readStatement(statement, 'tx').payload);
  demand(transaction.action === 'upload', 'BAD_STATEMENT', `expected an upload, got ${transaction.action}`);
  const upload = readUpload(transaction.args);
  const block1 = readBlock1(upload.block1);
  const manifest = readManifest(upload.manifest);
  const named = equal(leafHash(sha256, upload.block1), transaction.object);
  demand(named && leafIsOf(sha256, block1, upload.manifest), 'BAD_STATEMENT', 'block 1, manifest and object differ');
  checkSign1(parts.verifier, block1.sign1, block1.alg, publicKeyOf(parts.signer), block1.sign1.payload!, 'block 1');
  await checkHeld(parts.blobs, manifest);
  await checkNext(parts.ledger, manifest, block1.previousLeaf);
  return parts.ledger.submit(statement);
}

async function checkHeld(blobs: BlobStore, manifest: Manifest): Promise<void> {
  for (const { digest, branches } of allComponents(manifest)) {
    demand(await blobs.has(digest), 'NOT_FOUND', `image ${hex(digest)} is not in the store: prepare again`);
    for (const { payload } of branches) await blobs.frames(payload);
  }
}

async function checkNext(ledger: LedgerClient, manifest: Manifest, previousLeaf: Uint8Array): Promise<void> {
  const product = (await ledger.evaluate('getProduct', hex(manifest.classId))) as ProductView;
  const next = product.head === hex(previousLeaf) && product.sequence + 1 === manifest.sequence;
  demand(next, 'CONFLICT', `${product.name} is at sequence ${product.sequence} now: prepare the release again`);
}
