/** What a release says, read from its signed manifest alone: nothing of it is taken from the uploader's word. */
import { demand } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  allComponents,
  type Block1,
  type Branch,
  isLowS,
  leafIsOf,
  type Manifest,
  MEMORY_CLASSES,
  manifestDigest,
  POLICY_DOWNGRADE,
  POLICY_LOG,
  POLICY_MANDATORY,
  POLICY_REBOOT,
  readBlock1,
  readManifest,
} from '@countersign/device-sdk/format';
import { checkSign1 } from '@countersign/device-sdk/verify';
import { cidOf } from '../../store/cid.ts';
import type { Upload } from './args.ts';
import { type Call, roleKey } from './call.ts';
import { type ProductState, toHex } from './state.ts';
import type { BranchView, ReleaseView } from './views.ts';

/** @throws Refusal MALFORMED, TOO_LARGE, BAD_STATEMENT, UNKNOWN_KEY, WRONG_ROLE, REVOKED, BAD_SIGNATURE */
export async function verifyBlock1(
  call: Call,
  leaf: Uint8Array,
  manifestBytes: Uint8Array,
): Promise<{ block1: Block1; manifest: Manifest }> {
  const block1 = readBlock1(leaf);
  const manifest = readManifest(manifestBytes);
  const same = leafIsOf(call.verifier.sha256, block1, manifestBytes);
  demand(same, 'BAD_STATEMENT', 'block 1 is a signature of another manifest');
  const key = await roleKey(call, 'collection', block1.kid);
  // The leaf is known by the hash of these bytes, and devices chain their releases by it: one signature, one leaf.
  const one = key.alg !== ALG_ESP256 || isLowS(block1.sign1.signature);
  demand(one, 'BAD_SIGNATURE', 'block 1: of the two forms of this signature the other one is valid');
  checkSign1(call.verifier, block1.sign1, block1.alg, key, block1.sign1.payload!, 'block 1');
  return { block1, manifest };
}

type Facts = Pick<
  ReleaseView,
  | 'classId'
  | 'product'
  | 'sequence'
  | 'version'
  | 'policy'
  | 'manifestDigest'
  | 'imageDigest'
  | 'imageBytes'
  | 'fileName'
  | 'contentId'
  | 'previousLeaf'
  | 'branches'
  | 'components'
>;

/** @throws Refusal BAD_STATEMENT where manifest, product and the uploader's words contradict each other */
export function derive(call: Call, args: Upload, block1: Block1, manifest: Manifest, product: ProductState): Facts {
  const { image, policy } = manifest;
  const contentId = cidOf(image.digest);
  demand(args.contentId === contentId, 'BAD_STATEMENT', `the image's content id is ${contentId}`);
  demand(toHex(manifest.vendorId) === product.vendorId, 'BAD_STATEMENT', 'the manifest names another vendor');
  demand(manifest.sequence >= 1, 'BAD_STATEMENT', 'sequences begin with 1');
  const fits = image.bytes > 0 && image.bytes <= product.slotBytes;
  demand(fits, 'BAD_STATEMENT', `the image has ${image.bytes} bytes, the product's slot ${product.slotBytes}`);
  checkComponents(manifest, product);
  for (const { branches } of allComponents(manifest)) for (const branch of branches) checkBranch(branch, product);
  return {
    classId: product.classId,
    product: product.name,
    sequence: manifest.sequence,
    version: manifest.version,
    policy: {
      mandatory: (policy & POLICY_MANDATORY) !== 0,
      log: (policy & POLICY_LOG) !== 0,
      reboot: (policy & POLICY_REBOOT) !== 0,
      downgrade: (policy & POLICY_DOWNGRADE) !== 0,
    },
    manifestDigest: toHex(manifestDigest(call.verifier.sha256, args.manifest)),
    imageDigest: toHex(image.digest),
    imageBytes: image.bytes,
    fileName: args.fileName,
    contentId,
    previousLeaf: toHex(block1.previousLeaf),
    branches: manifest.branches.map(branchView),
    components: manifest.components?.map(({ id, digest, bytes, branches }) => ({
      ...{ id, imageDigest: toHex(digest), imageBytes: bytes, contentId: cidOf(digest) },
      branches: branches.map(branchView),
    })),
  };
}

function branchView({ base, payload }: Branch): BranchView {
  return {
    baseDigest: base ? toHex(base.digest) : null,
    baseBytes: base ? base.bytes : null,
    payloadBytes: payload.bytes,
    chainHead: toHex(payload.chainHead),
  };
}

/** Devices of the product have these components and no others, in this order. */
function checkComponents({ components = [] }: Manifest, product: ProductState): void {
  const own = product.components ?? [];
  const same = components.length === own.length && components.every(({ id }, i) => id === own[i]!.id);
  demand(same, 'BAD_STATEMENT', `${product.name} has other components than the manifest`);
  for (const [i, { id, bytes }] of components.entries()) {
    const { slotBytes } = own[i]!;
    const fits = bytes > 0 && bytes <= slotBytes;
    demand(fits, 'BAD_STATEMENT', `the image of ${id} has ${bytes} bytes, its slot ${slotBytes}`);
  }
}

/** A device of the product's class must be able to take every branch. */
function checkBranch(branch: Branch, product: ProductState): void {
  const { memoryClass, payload } = branch;
  const small = MEMORY_CLASSES.indexOf(memoryClass) <= MEMORY_CLASSES.indexOf(product.memoryClass);
  demand(small, 'BAD_STATEMENT', `a branch of class ${memoryClass} in a product of class ${product.memoryClass}`);
  const frames = payload.frameBytes <= product.frameBytes;
  demand(frames, 'BAD_STATEMENT', `frames of ${payload.frameBytes} bytes in a product of ${product.frameBytes}`);
}
