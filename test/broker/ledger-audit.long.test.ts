import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import test from 'ava';
import { addProduct, enrolDevices, newDevice, newWorld, nextReport } from './ledger-world.ts';

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
