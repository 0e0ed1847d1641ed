/** A block has one form: whoever carries it can make no other bytes of it that are still signed. */
import { uploadArgs } from '@countersign/broker/ledger/contract/args';
import { startOf } from '@countersign/broker/ledger/execution';
import { MemoryValues } from '@countersign/broker/ledger/key-values';
import { encodeBlock, readBlock } from '@countersign/broker/ledger/log/block';
import { replay } from '@countersign/broker/ledger/replay';
import { cidOf } from '@countersign/broker/store/cid';
import { codeOf } from '@countersign/device-sdk';
import { decodeSign1, encodeSign1, hex, leafHash } from '@countersign/device-sdk/format';
import test from 'ava';
import { act, addProduct, manifestOf, newRelease, newWorld, sha256, verifier } from './ledger-world.ts';
import { PeerBed, until } from './peer-bed.ts';

test.beforeEach((t) => t.timeout(120_000));

/** n - s is as good as s for the curve: anybody on the way can make this from a signature. */
function otherSignature(sign1Bytes: Uint8Array): Uint8Array {
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const sign1 = decodeSign1(sign1Bytes);
  const s = BigInt(`0x${hex(sign1.signature.slice(32))}`);
  const other = Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex');
  return encodeSign1({ ...sign1, signature: Uint8Array.from([...sign1.signature.slice(0, 32), ...other]) });
}

const FORMS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  "the orderer's signature": (bytes) => {
    const { header, transactions, ordererSignature, head } = readBlock(bytes);
    return encodeBlock(header, transactions, otherSignature(ordererSignature), head);
  },
  "the log's signature": (bytes) => {
    const { header, transactions, ordererSignature, head } = readBlock(bytes);
    return encodeBlock(header, transactions, ordererSignature, otherSignature(head));
  },
};

for (const [what, change] of Object.entries(FORMS)) {
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
