/** Row 27: what stands in an upload, and what a collection server gives an engineer to sign. */
import { checkPrepared } from '@countersign/broker/collection/check-prepared';
import { uploadArgs } from '@countersign/broker/ledger/contract/args';
import { cidOf } from '@countersign/broker/store/cid';
import type { Code } from '@countersign/device-sdk';
import {
  encodeManifest,
  leafHash,
  type Manifest,
  NO_LEAF,
  publicKeyOf,
  ROLES,
  type Signer,
  signBlock1,
  type TrustRoot,
  utf8,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped, otherSignature } from '../forge.ts';
import {
  act,
  manifestOf,
  newRelease,
  newSigner,
  PRODUCT,
  sha256,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { alice, OTHER, uploaded } from '../server/people.ts';
import { contract, refused } from '../server/try.ts';
import { componentRows } from './components.ts';

/** An upload with one thing exchanged. */
function tampered(
  how: string,
  expect: Code,
  make: (
    world: World,
  ) => Promise<{ object?: Uint8Array; block1?: Uint8Array; manifest?: Uint8Array; contentId?: string }>,
): Variant {
  return contract(how, expect, async (world) => {
    const right = await newRelease(world, 1);
    const parts = { block1: right.block1, manifest: right.manifest, contentId: cidOf(manifestOf(1).image.digest) };
    const changed = { ...parts, ...(await make(world)) };
    const args = uploadArgs({ ...changed, fileName: 'node.bin' });
    const object = changed.object ?? leafHash(sha256, changed.block1);
    return () => act(world, world.people.alice!, 'upload', object, args);
  });
}

/** The manifest says something that does not fit the product. */
function unfit(how: string, change: Partial<Manifest>, expect: Code = 'BAD_STATEMENT'): Variant {
  return contract(how, expect, async (world) => {
    const release = await newRelease(world, 1, NO_LEAF, change);
    return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
  });
}

const branchWith = (change: object, payload: object = {}): Partial<Manifest> => {
  const [branch] = manifestOf(1).branches;
  return { branches: [{ ...branch!, ...change, payload: { ...branch!.payload, ...payload } }] };
};

const IMAGE = Uint8Array.from({ length: 40_000 }, (_, i) => i & 0xff);
const COLLECTION = newSigner();
const POLICY = { mandatory: true, log: true, reboot: false, downgrade: false };
const ASKED = {
  vendorDomain: PRODUCT.vendorDomain,
  product: PRODUCT.name,
  version: '1.1.0',
  policy: POLICY,
  fileName: 'node.bin',
};

export const tampering: Attack = {
  id: 27,
  name: 'tampering before signing',
  source: 'RFC 9124 THREAT.MFST.MODIFICATION',
  against: ['server'],
  variants: [
    ...componentRows,
    tampered('uploads another manifest than block 1 signs', 'BAD_STATEMENT', async () => ({
      manifest: encodeManifest(manifestOf(1, { policy: 1 })),
    })),
    tampered('uploads under another name', 'BAD_STATEMENT', async () => ({ object: sha256(utf8('other')) })),
    tampered('names other content', 'BAD_STATEMENT', async () => ({ contentId: cidOf(sha256(utf8('other'))) })),
    tampered('turns a bit of block 1', 'BAD_SIGNATURE', async (world) => ({
      block1: flipped((await newRelease(world, 1)).block1, -5),
    })),
    contract(
      'uploads a release once more, under the other form of its signature',
      'BAD_SIGNATURE',
      async (world) => {
        const { block1, manifest } = await uploaded(world);
        const other = otherSignature(block1);
        const contentId = cidOf(manifestOf(1).image.digest);
        const args = uploadArgs({ block1: other, manifest, fileName: 'node.bin', contentId });
        return () => act(world, alice(world), 'upload', leafHash(sha256, other), args);
      },
      { ecdsa: ['collection'] },
    ),
    tampered('signs block 1 with the distribution key', 'WRONG_ROLE', async (world) => ({
      block1: (await newRelease(world, 1, NO_LEAF, {}, world.keys.distribution)).block1,
    })),
    tampered('signs block 1 with a key of his own', 'UNKNOWN_KEY', async (world) => ({
      block1: (await newRelease(world, 1, NO_LEAF, {}, newSigner())).block1,
    })),
    unfit('slips in another vendor', { vendorId: OTHER }),
    unfit('slips in another class', { classId: OTHER }, 'NOT_FOUND'),
    unfit('slips in an image that does not fit the slot', {
      image: { digest: sha256(utf8('image 1')), bytes: 70_000 },
    }),
    unfit('slips in an empty image', { image: { digest: sha256(utf8('image 1')), bytes: 0 } }),
    unfit('slips in sequence 0', { sequence: 0 }),
    unfit('slips in a branch that no device of the product can take', branchWith({ memoryClass: 'L' })),
    unfit(
      'slips in frames that no device of the product can take',
      branchWith({}, { frameBytes: 2048, frameCount: 10 }),
    ),
    contract('uploads a release a second time', 'EXISTS', async (world) => {
      const release = await uploaded(world);
      return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
    }),
    ...prepared(),
  ],
};

/** A collection server that was taken over: the engineer's own client signs nothing of it. */
function prepared(): Variant[] {
  const image = { digest: sha256(IMAGE), bytes: IMAGE.length };
  const honest = { policy: 3, image };
  const rows: [string, Partial<Manifest>, object?][] = [
    ['lets the engineer sign another image', { ...honest, image: { ...image, digest: sha256(utf8('other')) } }],
    ['lets the engineer sign another length', { ...honest, image: { ...image, bytes: 39_999 } }],
    ['lets the engineer sign another vendor', { ...honest, vendorId: OTHER }],
    ['lets the engineer sign another class', { ...honest, classId: OTHER }],
    ['lets the engineer sign another version', { ...honest, version: '9.9.9' }],
    ['lets the engineer sign another policy', { ...honest, policy: 7 }],
    ['gives the engineer another content id', honest, { contentId: cidOf(sha256(utf8('other'))) }],
    ['gives the engineer another file name', honest, { fileName: 'other.bin' }],
    ['gives the engineer another release name', honest, { releaseLeaf: new Uint8Array(32) }],
    [
      'gives the engineer another manifest than block 1 signs',
      honest,
      { manifest: encodeManifest(manifestOf(1, { ...honest, sequence: 2 })) },
    ],
  ];
  const signed: Variant[] = [
    refused('lets the engineer sign what no collection key has signed', 'UNKNOWN_KEY', async () =>
      checkPrepared(verifier, IMAGE, await offer(honest), { ...ASKED, root: rootOf(newSigner()) }),
    ),
    refused('lets the engineer sign under a broken first signature', 'BAD_SIGNATURE', async () => {
      const made = await offer(honest);
      const block1 = flipped(made.block1, -5);
      const releaseLeaf = leafHash(sha256, block1);
      return checkPrepared(verifier, IMAGE, { ...made, block1, releaseLeaf }, { ...ASKED, root: rootOf(COLLECTION) });
    }),
  ];
  const exchangedRows = rows.map(([how, change, exchanged = {}]) =>
    refused(how, 'BAD_STATEMENT', async () =>
      checkPrepared(verifier, IMAGE, { ...(await offer(change)), ...exchanged }, ASKED),
    ),
  );
  return [...exchangedRows, ...signed];
}

function rootOf(collection: Signer): TrustRoot {
  const none = { threshold: 0, keys: [], implicit: [] };
  const roles = Object.fromEntries(ROLES.map((role) => [role, none])) as unknown as TrustRoot['roles'];
  roles.collection = { threshold: 1, keys: [publicKeyOf(collection)], implicit: [] };
  return { version: 1, origin: 'x', roles, algorithms: [-19], headAgeMax: 1, floors: [], revocations: [] };
}

async function offer(change: Partial<Manifest>) {
  const manifest = encodeManifest(manifestOf(1, change));
  const block1 = await signBlock1(sha256, manifest, NO_LEAF, COLLECTION);
  const releaseLeaf = leafHash(sha256, block1);
  const { branches } = manifestOf(1, change);
  return {
    block1,
    manifest,
    releaseLeaf,
    fileName: 'node.bin',
    contentId: cidOf(sha256(IMAGE)),
    branches,
  } as unknown as Parameters<typeof checkPrepared>[2];
}
