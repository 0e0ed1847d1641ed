/** Rows 4, 5 and 6 at the servers: one signer who counts as two, one signature in two protocols, and one over other content. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openReleases } from '@countersign/broker/distribution/releases';
import { openWitness } from '@countersign/broker/distribution/witness';
import { planNextRoot } from '@countersign/broker/keys/next-root';
import { objectDigest, productArgs, uploadArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { cosignedFile } from '@countersign/broker/ledger/peer/cosigned-file';
import { CosignedHeads } from '@countersign/broker/ledger/peer/cosigned-heads';
import { cidOf } from '@countersign/broker/store/cid';
import type { Code } from '@countersign/device-sdk';
import {
  decodeSign1,
  encode,
  encodeManifest,
  HEADER_TYP,
  hex,
  KINDS,
  type Kind,
  kidOf,
  NO_LEAF,
  publicKeyOf,
  type Signer,
  signBlock2,
  signHead,
  signStatement,
  transactionValue,
  typOf,
} from '@countersign/device-sdk/format';
import type { Ground, Variant } from '../attack.ts';
import { reheaded, relabelled, resigned } from '../forge.ts';
import {
  act,
  addProduct,
  manifestOf,
  newRelease,
  newSigner,
  newWorld,
  ORIGIN,
  PRODUCT,
  personObject,
  previousOf,
  publish,
  sha256,
  type TestRelease,
  tx,
  VENDOR,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { currentRoot, logRoot, signedRoot } from '../server/next-roots.ts';
import { alice, bob, hire, nextKey, uploaded } from '../server/people.ts';
import { codeFrom } from '../server/try.ts';
import { beside, oddOf } from '../server/try-beside.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const PAIR = { ...PRODUCT, name: 'pair', approvals: 2 };
const PAIR_CLASS = classId(VENDOR, PAIR.name);

/** Row 4. */
export const countedTwiceRows: Variant[] = [
  beside('repeats one root signature under a logged trust root where two must sign', 'BAD_ROOT', async (world) => {
    const { root } = world.keys;
    const second = newSigner();
    await logRoot(world, { add: [{ role: 'root', key: publicKeyOf(second) }] });
    const two = planNextRoot(verifier, await currentRoot(world), { thresholds: { root: 2 } });
    const [once, both] = [await signedRoot(two, [root, root]), await signedRoot(two, [root, second])];
    return { forged: () => world.ledger.submit(once), honest: () => world.ledger.submit(both) };
  }),
  beside('gives one key two roles in a trust root that he logs', 'BAD_ROOT', async (world) => {
    const plan = planNextRoot(verifier, await currentRoot(world), {});
    const both = { ...plan.roles.service, keys: [...plan.roles.service.keys, publicKeyOf(world.keys.log)] };
    const payload = { ...plan, roles: { ...plan.roles, service: both } };
    return {
      forged: async () => world.ledger.submit(await signedRoot(payload, [world.keys.root])),
      honest: async () => world.ledger.submit(await signedRoot(plan, [world.keys.root])),
    };
  }),
  beside('approves with his former key and with his next one where two people must', 'NOT_APPROVED', async (world) => {
    const carol = await hire(world, 'carol', ['approver']);
    await act(world, alice(world), 'product', objectDigest(sha256, 'product', PAIR_CLASS), productArgs(PAIR));
    const release = await newRelease(world, 1, NO_LEAF, { classId: PAIR_CLASS });
    await act(world, alice(world), 'upload', release.leaf, release.args);
    await act(world, bob(world), 'approve', release.leaf);
    const next = await nextKey(world, 'bob');
    await act(world, carol, 'approve', personObject('bob'));
    await act(world, next, 'approve', release.leaf);
    const confirm = () => act(world, world.keys.service, 'confirm', release.leaf);
    return { forged: confirm, honest: () => act(world, carol, 'approve', release.leaf).then(confirm) };
  }),
  cosigning(
    'lets one peer cosign the ledger’s head twice where two must',
    'NO_QUORUM',
    async (heads, world, [peer]) => {
      const { head } = world.ledger.inside.standing.head;
      for (let i = 0; i < 2; i++) await heads.add(await signHead(sha256, head, peer));
    },
  ),
];

/** A ledger whose trust root names two peers that both must sign; its head was never cosigned before. */
function cosigning(
  how: string,
  expect: Code,
  sign: (heads: CosignedHeads, world: World, peers: readonly [Signer, Signer]) => Promise<unknown>,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const peers = [newSigner(), newSigner()] as const;
      const world = await newWorld({ peers: peers.map(publicKeyOf), quorum: 2 });
      ground.after(() => world.end());
      const file = cosignedFile(join(world.dir, 'ledger'));
      const heads = await CosignedHeads.open({ inside: world.ledger.inside, verifier, file, names: true });
      ground.after(() => heads.end());
      const code = await codeFrom(sign(heads, world, peers).then(() => heads.published()));
      const harm = heads.size > 0 ? `a head of ${heads.size} entries is shown` : undefined;
      const { head } = world.ledger.inside.standing.head;
      const odd = await oddOf(async () => {
        for (const peer of peers) await heads.add(await signHead(sha256, head, peer));
        return heads.published();
      });
      return { harm, odd, codes: code ? [code] : [] };
    },
  };
}

/** What the ledger takes besides is judged by its shape: an approval has another one. */
const NO_ENTRY = KINDS.filter((kind) => kind !== 'tx' && kind !== 'report' && kind !== 'rollout');

/** Row 5: what an approver signed for something else, or what is signed as something else. */
export const otherProtocolRows: Variant[] = [
  ...NO_ENTRY.map((kind) =>
    approval(`signs an approval’s content as a ${kind}`, 'WRONG_TYPE', async (world, leaf) =>
      signedAs(world, leaf, kind),
    ),
  ),
  approval('labels a command of an approver’s key as an approval', 'BAD_SIGNATURE', async (world, leaf) =>
    reheaded(await signedAs(world, leaf, 'cmd'), (map) => void map.set(HEADER_TYP, typOf('tx'))),
  ),
  approval('signs an approval without its context', 'BAD_SIGNATURE', async (world, leaf) => {
    const bytes = await signedAs(world, leaf, 'tx');
    return resigned(bytes, bob(world), decodeSign1(bytes).payload!, () => undefined);
  }),
  approval('uses the signature of one approval under another', 'BAD_SIGNATURE', async (world, leaf) => {
    const other = await tx(bob(world), { action: 'approve', object: sha256(leaf) });
    const { signature } = decodeSign1(other);
    return relabelled(await signedAs(world, leaf, 'tx'), { signature });
  }),
  cosigning('gives the log’s own signature of a head for that of a peer', 'UNKNOWN_KEY', async (heads, world) =>
    heads.add(world.ledger.inside.standing.head.signed),
  ),
];

function approval(how: string, expect: Code, made: (world: World, leaf: Uint8Array) => Promise<Uint8Array>): Variant {
  return beside(how, expect, async (world) => {
    const { leaf } = await uploaded(world);
    const [bytes, approved] = [await made(world, leaf), await signedAs(world, leaf, 'tx')];
    return { forged: () => world.ledger.submit(bytes), honest: () => world.ledger.submit(approved) };
  });
}

/** Bob's approval of this release, in every word but its kind. */
async function signedAs(world: World, leaf: Uint8Array, kind: Kind): Promise<Uint8Array> {
  const previous = await previousOf(world, leaf);
  const value = transactionValue({ channel: ORIGIN, action: 'approve', object: leaf, previous, args: [] });
  return signStatement(sha256, kind, value, bob(world));
}

/** Row 6. */
export const otherContentRows: Variant[] = [
  beside('uploads another manifest than the one that block 1 signs', 'BAD_STATEMENT', async (world) => {
    const { leaf, block1, args: own } = await newRelease(world, 1);
    const other = manifestOf(1, { version: '9.9.9' });
    const manifest = encodeManifest(other);
    const args = uploadArgs({ block1, manifest, fileName: 'node.bin', contentId: cidOf(other.image.digest) });
    const upload = (what: typeof own) => () => act(world, alice(world), 'upload', leaf, what);
    return { forged: upload(args), honest: upload(own) };
  }),
  stored('has D’s key, and stores a second signature over another manifest', ({ leaf }, signer, seen) =>
    signBlock2(sha256, encodeManifest(manifestOf(2)), { releaseLeaf: leaf, ...seen }, signer),
  ),
  stored('has D’s key, and stores a second signature that confirms another block 1', (release, signer, seen) =>
    signBlock2(sha256, release.manifest, { releaseLeaf: sha256(release.leaf), ...seen }, signer),
  ),
];

type Seen = { size: number; root: Uint8Array };

/** The distribution server has signed a release; what it finds in its folder at the next start is the adversary's. */
function stored(
  how: string,
  forge: (release: TestRelease, signer: Signer, seen: Seen) => Promise<Uint8Array>,
): Variant {
  return {
    how,
    expect: 'BAD_STORE',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const release = await publish(world, 1);
      const dir = await ground.folder();
      const { release: honest } = await (await signingServer(ground, world, dir)).ensure(release.leaf);
      const odd = await oddOf(() => signingServer(ground, world, dir));
      const { distribution } = world.keys;
      const block2 = await forge(release, distribution, honest.seen);
      const name = `${hex(release.leaf)}.${hex(kidOf(sha256, publicKeyOf(distribution)))}`;
      const record = encode([1, release.block1, release.manifest, honest.leafIndex, block2]);
      // Over the true file, by whoever can write there.
      await writeFile(join(dir, 'forged'), record);
      await rename(join(dir, 'forged'), join(dir, 'releases', name));
      const code = await codeFrom(signingServer(ground, world, dir));
      return { harm: code ? undefined : 'the server takes it for its own', odd, codes: code ? [code] : [] };
    },
  };
}

async function signingServer(ground: Ground, world: World, dir: string) {
  const witness = await openWitness(verifier, world.ledger, world.rootBytes, await ground.folder());
  await witness.newestHead();
  const { ledger, keys } = world;
  return openReleases({ verifier, ledger, witness, signer: keys.distribution, dir, log: SILENT });
}
