import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { encodeStoredHead } from '@countersign/broker/ledger/embedded/head-file';
import { readFrames } from '@countersign/broker/ledger/embedded/segments';
import { headOf, readBlock } from '@countersign/broker/ledger/log/block';
import { COSIGNED_FILE } from '@countersign/broker/ledger/peer/cosigned-file';
import { encodeCosignedHead } from '@countersign/broker/ledger/peer/messages';
import { kidOf, publicKeyOf, readHead, signHead } from '@countersign/device-sdk/format';
import test from 'ava';
import { addProduct, enrolDevices, newDevice, newSigner, newWorld, nextReport, sha256 } from './ledger-world.ts';

/** Two peers, who both must have signed, and a ledger of at most 10 KB with their head beside it. */
async function cosignedLedger() {
  const peers = [newSigner(), newSigner()];
  const world = await newWorld({ quorum: 2, peers: peers.map(publicKeyOf) });
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  await world.ledger.submit(await nextReport(device));
  const { head, signed } = await world.ledger.head();
  const cosignatures = await Promise.all(
    peers.map(async (signer) => {
      const { alg, sign1 } = readHead(await signHead(sha256, head, signer));
      return { kid: kidOf(sha256, publicKeyOf(signer)), alg, signature: sign1.signature };
    }),
  );
  await world.ledger.close();
  const cosigned = encodeCosignedHead({ signed, root: head.root, cosignatures });
  await writeFile(join(world.dir, 'ledger', COSIGNED_FILE), cosigned);
  return { world, cosigned, signed };
}

test('a ledger cut at a block border with the head that once stood there is noticed by the head of the peers, and by one from outside', async (t) => {
  t.timeout(600_000);
  const { world, signed } = await cosignedLedger();
  t.teardown(() => world.end());
  const folder = join(world.dir, 'ledger');
  t.like(await auditFolder(world.dir), { ok: true, cosignatures: 2 });
  const blocks: { end: number; bytes: Uint8Array }[] = [];
  for await (const frame of readFrames(folder)) {
    if ('torn' in frame) throw new Error(frame.torn);
    blocks.push({ end: frame.whole.offset + frame.whole.length, bytes: frame.bytes });
  }
  const path = join(folder, '0000000000.blocks');
  const good = await readFile(path);
  t.true(good.length <= 10 * 1024 && blocks.length >= 4, `${good.length} bytes`);
  const [cosigned, head] = [await readFile(join(folder, COSIGNED_FILE)), await readFile(join(folder, 'head'))];
  for (const [number, { end, bytes }] of blocks.slice(0, -1).entries()) {
    // The block carries the head that the log signed behind it: whoever cuts need forge nothing.
    const block = readBlock(bytes);
    const stored = { blockNumber: number, blockHash: sha256(bytes), head: headOf(block.header), signed: block.head };
    await writeFile(path, good.subarray(0, end));
    await writeFile(join(folder, 'head'), encodeStoredHead(stored));
    const kept = await auditFolder(world.dir);
    t.deepEqual(
      kept.problems.map(({ code }) => code),
      ['TORN'],
      `cut behind block ${number}`,
    );
    await rm(join(folder, COSIGNED_FILE));
    t.true((await auditFolder(world.dir)).ok, 'nothing in the folder itself contradicts the cut');
    const outside = await auditFolder(world.dir, { head: signed });
    t.deepEqual(
      outside.problems.map(({ code }) => code),
      ['BAD_HEAD'],
    );
    await writeFile(join(folder, COSIGNED_FILE), cosigned);
  }
  await writeFile(path, good);
  await writeFile(join(folder, 'head'), head);
  t.true((await auditFolder(world.dir, { head: signed })).ok);
});

test('every byte of the cosigned head flipped, and every length of it, is noticed', async (t) => {
  t.timeout(600_000);
  const { world, cosigned } = await cosignedLedger();
  t.teardown(() => world.end());
  const path = join(world.dir, 'ledger', COSIGNED_FILE);
  for (let at = 0; at < cosigned.length; at++) {
    await writeFile(path, cosigned.subarray(0, at));
    t.false((await auditFolder(world.dir)).ok, `cut at ${at}`);
    const flipped = Buffer.from(cosigned);
    flipped[at]! ^= 0x01;
    await writeFile(path, flipped);
    t.false((await auditFolder(world.dir)).ok, `flipped at ${at}`);
  }
});

test('block file and head file cut at every length, and every byte of both flipped, are noticed', async (t) => {
  t.timeout(600_000);
  const world = await newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  await world.ledger.submit(await nextReport(device));
  await world.ledger.close();
  for (const name of ['0000000000.blocks', 'head']) {
    const path = join(world.dir, 'ledger', name);
    const good = await readFile(path);
    t.true(good.length > 100 && good.length <= 10 * 1024, `${name}: ${good.length} bytes`);
    for (let at = 0; at < good.length; at++) {
      await writeFile(path, good.subarray(0, at));
      t.false((await auditFolder(world.dir)).ok, `${name} cut at ${at}`);
      const flipped = Buffer.from(good);
      flipped[at]! ^= 0x01;
      await writeFile(path, flipped);
      t.false((await auditFolder(world.dir)).ok, `${name} flipped at ${at}`);
    }
    await writeFile(path, good);
  }
  t.true((await auditFolder(world.dir)).ok);
});
