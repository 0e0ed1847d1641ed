import { indexLeaf, OPEN, publicKeyOf, readReceipt, rootFromInclusion } from '@countersign/device-sdk/format';
import { checkSign1 } from '@countersign/device-sdk/verify';
import test from 'ava';
import {
  addProduct,
  CLASS,
  command,
  newWorld,
  person,
  planOf,
  publish,
  sha256,
  statementOf,
  verifier,
} from './ledger-world.ts';

test('a release goes from upload to an announcement whose every proof holds', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const release = await publish(world, 1);
  const plan = planOf(release);
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));

  const { receipt, head, index, rollout } = await world.ledger.announcementProof(CLASS);
  const read = readReceipt(receipt);
  const root = rootFromInclusion(sha256, read.leafIndex, read.signed.fields.size, release.leaf, read.path);
  t.deepEqual(root, head.head.root);
  checkSign1(verifier, read.signed.sign1, read.signed.alg, publicKeyOf(world.keys.log), root, 'receipt');
  const { index: at, size, path } = index.proof;
  t.deepEqual(rootFromInclusion(sha256, at, size, indexLeaf(sha256, index.entry), path), head.head.indexRoot);
  t.deepEqual(index.entry.releaseLeaf, release.leaf);
  t.deepEqual(index.entry.rolloutDigest, sha256(rollout));
  const view = (await world.ledger.evaluate('getRelease', Buffer.from(release.leaf).toString('hex'))) as {
    leafIndex: number;
    state: string;
  };
  t.is(view.state, 'confirmed');
  t.is(view.leafIndex, read.leafIndex);
  t.deepEqual(await world.ledger.entry(release.leaf), release.block1);
});
