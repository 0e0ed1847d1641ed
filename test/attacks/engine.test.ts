/** Disks and neighbours that do not keep their word: what the engine promises, it must be able to keep. */
import { readlinkSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
