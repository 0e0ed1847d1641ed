/** Servers that lost something, or were given something else in its place, say so and make nothing anew. */
import { mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAll } from '@countersign/broker/face/up/start';
import { codeOf } from '@countersign/device-sdk';
import test from 'ava';

test('a ledger that is gone is not begun anew with the keys of the old one; secrets are their owner’s alone', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'countersign-lost-'));
  t.teardown(() => rm(data, { recursive: true, force: true }));
  const start = () => startAll({ data, samples: false });
  await (await start()).close();
  const root = await readFile(join(data, 'trust-root.cbor'));
  if (process.platform !== 'win32') t.deepEqual(await openFiles(data), []);

  // A disk that is not mounted looks like this. A second history under the same keys is the worst a ledger can do.
  await rename(join(data, 'ledger'), join(data, 'elsewhere'));
  t.is(codeOf(await t.throwsAsync(start())), 'BAD_STORE');
  t.deepEqual(await readFile(join(data, 'trust-root.cbor')), root);
  t.false((await readdir(data)).includes('ledger'));

  await rename(join(data, 'elsewhere'), join(data, 'ledger'));
  await rename(join(data, 'ledger-server'), join(data, 'elsewhere'));
  t.is(codeOf(await t.throwsAsync(start())), 'BAD_STORE', 'its keys are gone');
  await rename(join(data, 'elsewhere'), join(data, 'ledger-server'));
  await (await start()).close();
});

/** Secret files, and folders of them, on which others have any right. */
async function openFiles(data: string): Promise<string[]> {
  const open: string[] = [];
  const secret = /(\.key|token|token\.json|salt-secret|login-counters|devices\.jsonl|keys|people|registry)$/;
  for (const name of ['.', ...(await readdir(data, { recursive: true }))]) {
    const { mode } = await stat(join(data, name));
    if ((secret.test(name) || name === '.') && (mode & 0o077) !== 0) open.push(`${name} ${(mode & 0o777).toString(8)}`);
  }
  return open;
}
