/** Slots in files and on block devices. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, type Flash } from '@countersign/device-sdk';
import { BlockFlash } from '@countersign/device-sdk/host/block-flash';
import { FileFlash } from '@countersign/device-sdk/host/file-flash';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';

/** A block device over a file, where this machine lets us have one. */
function loopDevice(t: ExecutionContext, path: string, bytes: number): string | undefined {
  writeFileSync(path, new Uint8Array(bytes).fill(1));
  try {
    const device = execFileSync('losetup', ['-f', '--show', path], { encoding: 'utf8', stdio: 'pipe' }).trim();
    t.teardown(() => void execFileSync('losetup', ['-d', device]));
    if (statSync(device).isBlockDevice()) return device;
  } catch {
    // no right to it
  }
  t.log('no block device can be made here: left out');
  t.pass();
  return undefined;
}

test('a partition is a slot: its size found, whole units only, one process alone', async (t) => {
  const folder = await temporary(t);
  // A size that is no whole number of erase blocks, as partitions often are.
  const device = loopDevice(t, join(folder, 'disk'), 64 * 4096 + 512 * 3);
  if (!device) return;
  const flash = await openFree(device);
  t.is(flash.bytes, 4 * 65_536);
  flash.erase(0, flash.bytes);
  const piece = new Uint8Array(4096).map((_, i) => i & 255);
  flash.write(8192, piece);
  t.throws(() => flash.write(8192 + 512, piece), { instanceOf: RangeError });
  t.throws(() => flash.erase(4096, 65_536), { instanceOf: RangeError });
  t.is(
    refusal(() => new BlockFlash(device)),
    'LOCKED',
    'the kernel keeps others out',
  );
  flash.close();
  const again = await openFree(device, { bytes: 65_536 });
  t.deepEqual(bytesOf(again, 8192, 4096), piece);
  t.deepEqual(bytesOf(again, 4096, 16), new Uint8Array(16).fill(0xff));
  again.close();
  await t.throwsAsync(openFree(device, { bytes: 5 * 65_536 }), { code: 'BAD_STORE' });
});

test('a file is no block device, and a folder is nothing to open', async (t) => {
  const folder = await temporary(t);
  writeFileSync(join(folder, 'file'), 'x');
  t.is(
    refusal(() => new BlockFlash(join(folder, 'file'))),
    'BAD_STORE',
  );
  mkdirSync(join(folder, 'there'));
  t.is(
    refusal(() => new BlockFlash(join(folder, 'there'))),
    'BAD_STORE',
  );
});

test('a new file appears whole or not at all, and one of another size is refused', async (t) => {
  const path = join(await temporary(t), 'slot');
  writeFileSync(`${path}.new`, 'half made before a cut');
  const flash = new FileFlash(path, { bytes: 8192 });
  t.deepEqual(bytesOf(flash, 0, 8192), new Uint8Array(8192).fill(0xff));
  t.false(existsSync(`${path}.new`));
  flash.close();
  truncateSync(path, 4096);
  t.is(
    refusal(() => new FileFlash(path, { bytes: 8192 })),
    'BAD_STORE',
  );
});

test('what is flushed later is flushed before the region that speaks of it is written', async (t) => {
  const folder = await temporary(t);
  const told: string[] = [];
  class Watched extends FileFlash {
    override sync(): void {
      told.push('slot flushed');
      super.sync();
    }
  }
  const slot = new Watched(join(folder, 'slot'), { bytes: 8192, flush: 'later' });
  const store = new FileFlash(join(folder, 'store'), { bytes: 8192, first: [slot] });
  slot.write(0, new Uint8Array(100));
  t.deepEqual(told, []);
  store.write(0, new Uint8Array(10));
  t.deepEqual(told, ['slot flushed']);
});

/** The system itself looks into a device that has just appeared. */
async function openFree(device: string, options: { bytes?: number } = {}): Promise<BlockFlash> {
  for (let tries = 0; ; tries++) {
    try {
      return new BlockFlash(device, { eraseBytes: 65_536, ...options });
    } catch (error) {
      if (codeOf(error) !== 'LOCKED' || tries === 2_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function bytesOf(flash: Flash, at: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  flash.read(at, bytes);
  return bytes;
}

function refusal(work: () => void): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return codeOf(error);
  }
}
