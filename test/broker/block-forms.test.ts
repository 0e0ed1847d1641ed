/** A block has one form: whoever carries it can make no other bytes of it that are still signed. */
import { uploadArgs } from '@countersign/broker/ledger/contract/args';
import { startOf } from '@countersign/broker/ledger/execution';
import { MemoryValues } from '@countersign/broker/ledger/key-values';
import { readBlock } from '@countersign/broker/ledger/log/block';
import { replay } from '@countersign/broker/ledger/replay';
import { cidOf } from '@countersign/broker/store/cid';
import { codeOf } from '@countersign/device-sdk';
import { leafHash } from '@countersign/device-sdk/format';
import { otherSignature } from '@countersign/simulator/attacks/forge';
import { OTHER_FORMS } from '@countersign/simulator/attacks/server/blocks';
import test from 'ava';
import { act, addProduct, manifestOf, newRelease, newWorld, sha256, verifier } from './ledger-world.ts';
import { PeerBed, until } from './peer-bed.ts';

test.beforeEach((t) => t.timeout(120_000));

for (const [what, change] of Object.entries(OTHER_FORMS)) {
  test(`${what} in its other form is no block, and nobody is accused of it`, async (t) => {
    const bed = await PeerBed.open(t, 2, 2, { ecdsa: ['orderer', 'log'] });
    let between = false;
    const carrier = await bed.liar(bed.url, (answer) => ({
      ...answer,
      blocks: between ? answer.blocks.map(change) : answer.blocks,
    }));
    const [, victim] = [await bed.peer(0), await bed.peer(1, [carrier])];
    await until('the quorum', () => bed.heads.state().signers.length === 2);

    const first = await bed.world.ledger.inside.reader.block(0);
    const start = () => startOf(verifier);
    await t.notThrowsAsync(replay(start(), new MemoryValues(), readBlock(first), verifier));
    const other = replay(start(), new MemoryValues(), readBlock(change(first)), verifier);
    t.is(codeOf(await t.throwsAsync(other)), 'BAD_SIGNATURE');

    between = true;
    await bed.write();
    await until('it to refuse', () => /^BAD_SIGNATURE/.test(victim.peer.state().sources[0]!.problem ?? ''));
    between = false;
    await bed.write();
    const { size } = bed.world.ledger.inside.standing.head.head;
    await until('the quorum again', () => bed.heads.size === size);
    t.deepEqual(victim.peer.evidence, [], 'the honest block that came next is no fork');
  });
}

test('of a release with an ECDSA key one leaf alone can be uploaded', async (t) => {
  const world = await newWorld({ ecdsa: ['collection', 'orderer', 'log'] });
  t.teardown(() => world.end());
  await addProduct(world);
  const { block1, manifest } = await newRelease(world, 1);
  const other = otherSignature(block1);
  const [leaf, otherLeaf] = [leafHash(sha256, block1), leafHash(sha256, other)];
  const contentId = cidOf(manifestOf(1).image.digest);
  const upload = (leafOf: Uint8Array, signed: Uint8Array) =>
    act(
      world,
      world.people.alice!,
      'upload',
      leafOf,
      uploadArgs({ block1: signed, manifest, fileName: 'node.bin', contentId }),
    );
  t.is(codeOf(await t.throwsAsync(upload(otherLeaf, other))), 'BAD_SIGNATURE');
  await t.notThrowsAsync(upload(leaf, block1));
});
