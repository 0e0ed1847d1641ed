/** Disks and neighbours that do not keep their word: what the engine promises, it must be able to keep. */
import { readlinkSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { codeOf, Refusal } from '@countersign/device-sdk';
import test, { type ExecutionContext } from 'ava';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  type TestDevice,
  type World,
} from '../broker/ledger-world.ts';

const BLOCKS = '0000000000.blocks';

async function reporting(t: ExecutionContext, options = {}): Promise<{ world: World; device: TestDevice }> {
  const world = await newWorld(options);
  t.teardown(() => world.end());
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  return { world, device };
}

const pathOf = (world: World, name: string) => join(world.dir, 'ledger', name);

test.serial('a block that a killed process left unflushed is flushed before a head promises it', async (t) => {
  if (process.platform !== 'linux') {
    t.log('not looked at: only Linux tells which file a descriptor is of');
    return t.pass();
  }
  const { world, device } = await reporting(t);
  const former = await readFile(pathOf(world, 'head'));
  await world.ledger.submit(await nextReport(device));
  await world.ledger.close();
  // As SIGKILL between write and flush leaves it: the block is to be seen, and nobody knows whether it is on the disk.
  await writeFile(pathOf(world, 'head'), former);

  const flushed = await recordFlushes(t, () => world.reopen());
  const head = flushed.findIndex(
    (path) =>
      path.includes('/ledger/') && !path.endsWith('.blocks') && !path.includes('/index/') && !path.includes('/lock'),
  );
  const block = flushed.findIndex((path) => path.endsWith(BLOCKS));
  t.true(head >= 0, flushed.join('\n'));
  t.true(block >= 0 && block < head, flushed.join('\n'));
});

test.serial(
  'every byte of the last promised block is looked at when the ledger is opened, its length too',
  async (t) => {
    const { world, device } = await reporting(t);
    const before = (await readFile(pathOf(world, BLOCKS))).length;
    await world.ledger.submit(await nextReport(device));
    await world.ledger.close();
    const good = await readFile(pathOf(world, BLOCKS));
    const step = [0, 1, 2, 3, 4, 5, 100, good.length - before - 1];
    for (const at of step) {
      const bad = Buffer.from(good);
      bad[before + at]! ^= 1;
      await writeFile(pathOf(world, BLOCKS), bad);
      const error = await t.throwsAsync(world.reopen(), undefined, `byte ${at}`);
      t.true(error instanceof Refusal, `byte ${at}: ${error}`);
      t.deepEqual(await readFile(pathOf(world, BLOCKS)), bad, 'and it is left as it is');
      await writeFile(pathOf(world, BLOCKS), good);
      await world.reopen();
      await world.ledger.close();
    }
    await world.reopen();
  },
);

for (const [what, method, fail] of [
  ['a disk that is full in the middle of a block', 'write', true],
  ['a disk that fails to flush a block', 'datasync', false],
  ['a disk that fails to flush a head', 'sync', false],
] as const) {
  test.serial(`${what} stops the ledger; nothing acknowledged is lost, and a restart goes on`, async (t) => {
    const { world, device } = await reporting(t);
    const { leafHash } = await world.ledger.submit(await nextReport(device));
    const before = { ...device };
    const report = await nextReport(device);
    const mend = await breakFiles(t, method, fail);
    t.is(codeOf(await t.throwsAsync(world.ledger.submit(report))), 'BAD_STORE');
    mend();
    // The disk works again, but nobody knows what is on it: only a new start finds that out.
    t.is(codeOf(await t.throwsAsync(world.ledger.submit(report))), 'BAD_STORE');
    t.is((await world.ledger.head()).head.size, 6, 'no head says more than is promised');
    await world.reopen();
    t.truthy(await world.ledger.receipt(leafHash));
    const again = await world.ledger.submit(report).then(
      () => 'OK',
      (error) => codeOf(error),
    );
    // Failed and not kept, or failed and kept: both are true answers, and a device that resends hears one of them.
    t.true(again === 'OK' || again === 'DUPLICATE', again);
    t.deepEqual((await auditFolder(world.dir)).problems, []);
    t.is(before.counter + 1, device.counter);
    await world.ledger.submit(await nextReport(device));
  });
}

/** Makes a method of every open file fail until the answer is called; `half` lets a write do half of its work before. */
async function breakFiles(t: ExecutionContext, method: 'write' | 'datasync' | 'sync', half: boolean) {
  const probe = await open('/dev/null', 'r');
  const prototype = Object.getPrototypeOf(probe);
  await probe.close();
  const before = prototype[method];
  const mend = () => {
    prototype[method] = before;
  };
  t.teardown(mend);
  prototype[method] = async function failing(this: unknown, bytes: Uint8Array, from = 0, length = 0, at = 0) {
    if (half) await before.call(this, bytes, from, Math.floor(length / 2), at);
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return mend;
}

/** Paths of the files and folders that were flushed while `work` ran, in order. */
async function recordFlushes(t: ExecutionContext, work: () => Promise<unknown>): Promise<string[]> {
  const probe = await open('/dev/null', 'r');
  const prototype = Object.getPrototypeOf(probe);
  await probe.close();
  const flushed: string[] = [];
  for (const name of ['sync', 'datasync'] as const) {
    const before = prototype[name];
    prototype[name] = function flush(this: { fd: number }) {
      flushed.push(readlinkSync(`/proc/self/fd/${this.fd}`));
      return before.call(this);
    };
    t.teardown(() => {
      prototype[name] = before;
    });
  }
  await work();
  return flushed;
}
