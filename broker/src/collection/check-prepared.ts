/**
 * The engineer's side: before his key signs, the command compares what the collection server signed with his own file
 * and his own words. A collection server that was taken over can refuse to work, but not slip another image, version or
 * policy under his name.
 */

import type { Verifier } from '@countersign/device-sdk';
import { demand } from '@countersign/device-sdk';
import {
  equal,
  hex,
  leafHash,
  leafIsOf,
  type Manifest,
  NO_LEAF,
  readBlock1,
  readManifest,
  type Signer,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { checkSign1, listedKey } from '@countersign/device-sdk/verify';
import { signTransaction } from '../keys/tx.ts';
import { uploadArgs } from '../ledger/contract/args.ts';
import { classId, vendorId } from '../ledger/contract/uuid.ts';
import { cidOf } from '../store/cid.ts';
import type { Images } from './components.ts';
import { type Policy, policyBits } from './order.ts';
import type { Prepared } from './prepared.ts';

export interface Expectations {
  vendorDomain: string;
  /** The product's name. */
  product: string;
  version: string;
  policy: Policy;
  fileName: string;
  /** The engineer's own files of further components. */
  components?: Images;
  /** Where the caller has one: block 1 must be by a collection key of it. */
  root?: TrustRoot;
}

/**
 * @param image the engineer's own file
 * @throws Refusal BAD_STATEMENT where anything differs from what was asked; MALFORMED, UNSUPPORTED, TOO_LARGE for bytes
 * that are no manifest or block; UNKNOWN_KEY, BAD_SIGNATURE where a root is given
 */
export function checkPrepared(verifier: Verifier, image: Uint8Array, prepared: Prepared, asked: Expectations): void {
  const { sha256 } = verifier;
  const manifest = readManifest(prepared.manifest);
  const block1 = readBlock1(prepared.block1);
  const digest = sha256(image);
  const vendor = vendorId(asked.vendorDomain);
  same(leafIsOf(sha256, block1, prepared.manifest), 'block 1 signs another manifest');
  same(equal(leafHash(sha256, prepared.block1), prepared.releaseLeaf), 'the release has another name than its leaf');
  same(equal(manifest.image.digest, digest), `the manifest is for image ${hex(manifest.image.digest)}, not your file`);
  same(manifest.image.bytes === image.length, `the manifest says ${manifest.image.bytes} bytes, not ${image.length}`);
  checkComponents(verifier, manifest, asked.components ?? {});
  same(equal(manifest.vendorId, vendor), `the manifest is for another vendor than ${asked.vendorDomain}`);
  same(equal(manifest.classId, classId(vendor, asked.product)), `the manifest is for another class`);
  same(manifest.version === asked.version, `the manifest says version ${manifest.version}, not ${asked.version}`);
  same(manifest.policy === policyBits(asked.policy), `the manifest has policy ${manifest.policy}`);
  same(prepared.contentId === cidOf(digest), 'the content id is of other bytes');
  same(prepared.fileName === asked.fileName, `the file is called ${prepared.fileName}`);
  if (!asked.root) return;
  const key = listedKey(verifier, asked.root, 'collection', block1.kid);
  demand(key, 'UNKNOWN_KEY', `block 1 is by key ${hex(block1.kid)}, which is no collection key of the trust root`);
  checkSign1(verifier, block1.sign1, block1.alg, key, block1.sign1.payload!, 'block 1');
}

/** Every component of the manifest is one of his files, and every file is one of its components. */
function checkComponents({ sha256 }: Verifier, { components = [] }: Manifest, files: Images): void {
  same(components.length === Object.keys(files).length, 'the manifest has other components than you gave');
  for (const { id, digest, bytes } of components) {
    const own = files[id];
    const mine = own !== undefined && bytes === own.length && equal(digest, sha256(own));
    same(mine, `the manifest is for another image of ${id} than your file`);
  }
}

/**
 * Signs `upload` after {@link checkPrepared}.
 * @param channel the ledger's origin
 * @returns the statement that the collection server submits
 */
export async function signUpload(
  verifier: Verifier,
  signer: Signer,
  channel: string,
  image: Uint8Array,
  prepared: Prepared,
  asked: Expectations,
): Promise<Uint8Array> {
  checkPrepared(verifier, image, prepared, asked);
  return signTransaction(verifier.sha256, signer, {
    channel,
    action: 'upload',
    object: prepared.releaseLeaf,
    previous: NO_LEAF,
    args: uploadArgs(prepared),
  });
}

function same(holds: boolean, text: string): void {
  demand(holds, 'BAD_STATEMENT', `not signed: ${text}`);
}
