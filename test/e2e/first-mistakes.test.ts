/** What people do wrong in their first hour with two files of their own, and what they are told. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Opened } from '@countersign/broker/face/client/rollouts';
import type { HistoryItem } from '@countersign/broker/ledger/contract/views';
import test from 'ava';
import { type Answer, temporary, up } from '../support/command.ts';
import { runHere, runHereJson as runJson } from '../support/command-here.ts';

/** Any bytes may be published: they need not say what they are. */
function image(changed: number): Uint8Array {
  return Uint8Array.from({ length: 100_000 }, (_, i) => (i === changed ? 0 : (i * i) >>> 5));
}

test('a product of their own, registered twice, published twice, asked for by every name it has', async (t) => {
  const folder = await temporary(t);
  const data = join(folder, 'data');
  const before = join(folder, 'old.bin');
  const after = join(folder, 'new.bin');
  await Promise.all([writeFile(before, image(-1)), writeFile(after, image(50_000))]);
  const server = await up('--data', data, '--no-samples');
  t.teardown(() => server.stop('SIGKILL'));
  const here = ['--data', data] as const;
  const publish = (path: string, ...more: string[]) => {
    const asked = [path, '--product', 'thermostat', '--version', '1.0.0', ...more, ...here];
    return runJson<Answer & { releaseLeaf: string }>('publish', ...asked);
  };
  const register = (memoryClass: string, slotBytes: string) =>
    publish(
      ...[before, '--new-product', '--vendor', 'example.com'],
      ...['--memory-class', memoryClass, '--slot-bytes', slotBytes],
    );

  const empty = join(folder, 'empty.bin');
  await writeFile(empty, '');
  const asNew = ['--new-product', '--vendor', 'example.com', '--memory-class', 'M', '--slot-bytes', '262144'];
  const nothing = await publish(empty, ...asNew);
  t.deepEqual([nothing.code, nothing.json.error?.code], [1, 'BAD_REQUEST']);
  const lacking = await publish(before, ...asNew, '--component-slot', 'radio=4096');
  t.deepEqual([lacking.code, lacking.json.error?.code], [1, 'BAD_REQUEST'], 'without the image of its radio');
  const large = ['--component-slot', 'radio=65536', '--component', `radio=${before}`];
  const larger = await publish(before, ...asNew, ...large);
  t.deepEqual([larger.code, larger.json.error?.code], [1, 'NO_SPACE']);
  const none = await runJson<unknown[]>('history', 'thermostat', ...here);
  t.is(none.code, 1, 'no product was registered for an image that is refused');
  const without = await publish(before, ...asNew, '--bases', '0.9.0');
  t.deepEqual([without.code, without.json.error?.code], [1, 'NOT_FOUND']);
  t.regex(without.stderr, /product thermostat stays on the record/, 'what the server alone finds out');

  const small = await register('M', '65536');
  t.deepEqual([small.code, small.json.error?.code], [1, 'NO_SPACE']);
  const first = await register('M', '262144');
  t.is(first.code, 0, 'the slot that was too small was not registered');
  const other = await register('L', '262144');
  t.deepEqual([other.code, other.json.error?.code], [1, 'EXISTS']);
  t.regex(other.json.error!.text, /memoryClass M, not L/);

  t.is((await publish(after)).code, 0, 'before an approval a version may be uploaded again');
  const blind = await runJson('approve', 'thermostat@1.0.0', ...here);
  t.deepEqual([blind.code, blind.json.error?.code], [1, 'BAD_REQUEST'], 'nobody approves one of two by a common name');
  const { releaseLeaf } = first.json;
  t.true(blind.json.error!.text.includes(releaseLeaf.slice(0, 12)), blind.json.error!.text);
  const nobody = await runJson('approve', releaseLeaf, '--as', 'bob', ...here);
  t.deepEqual([nobody.code, nobody.json.error?.code], [1, 'NOT_FOUND']);
  t.regex(nobody.json.error!.text, /approver, engineer, operator/);

  const approved = await runHere('approve', releaseLeaf, '--wait', ...here);
  t.is(approved.code, 0, approved.stderr);
  t.true(approved.stdout.includes(`countersign rollout open thermostat@1.0.0 --data ${data}`), approved.stdout);
  const meant = await runJson<Opened>('rollout', 'open', 'thermostat@1.0.0', ...here);
  t.is(meant.code, 0, 'the name means the one that was approved');

  const actions = async (key: string) => {
    const { json } = await runJson<HistoryItem[]>('history', key, ...here);
    return json.map(({ action }) => action);
  };
  t.deepEqual(await actions('thermostat@1.0.0'), ['confirm', 'approve', 'upload']);
  t.deepEqual(await actions(releaseLeaf.slice(0, 8)), ['confirm', 'approve', 'upload']);
  t.is((await actions('thermostat')).at(-1), 'product');
  t.deepEqual(await actions('engineer'), ['enrol']);
  t.true((await actions(meant.json.rolloutId.slice(0, 8))).includes('rollout'));
  const unknown = await runJson('history', 'thermostta', ...here);
  t.deepEqual([unknown.code, unknown.json.error?.code], [1, 'NOT_FOUND']);
});
