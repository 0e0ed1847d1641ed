/** The servers of `up`, each by itself. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Opened } from '@countersign/broker/face/client/rollouts';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import test from 'ava';
import { temporary, up } from '../support/command.ts';
import { runVerbJson as runJson, runVerb } from '../support/command-here.ts';
import { waitForState } from '../support/rollout-state.ts';

const IMAGE = fileURLToPath(new URL('../../../firmware-samples/images/sensor-node-1.0.1.bin', import.meta.url));

test('three processes with keys and folders of their own do the work of one', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const at = (name: string) => join(folder, name);
  for (const server of ['collection', 'distribution']) {
    const { stdout } = await runVerb('keys', 'server', server, '--data', at(server), '--json');
    await writeFile(at(`${server}.json`), stdout);
  }
  const keys = ['--server-keys', at('collection.json'), '--server-keys', at('distribution.json')];
  const ledger = await up('--only', 'ledger', '--data', at('ledger'), ...keys);
  t.teardown(() => ledger.stop('SIGKILL'));
  const toLedger = ['--ledger', ledger.ready.url, '--ledger-token-file', at('ledger/client-token')];
  const trust = ['--trust', at('ledger/trust-root.cbor')];
  const collection = await up('--only', 'collection', '--data', at('collection'), ...toLedger, ...trust);
  t.teardown(() => collection.stop('SIGKILL'));
  const toCollection = ['--collection', collection.ready.url, '--collection-token-file', at('collection/client-token')];
  const distribution = await up(
    '--only',
    'distribution',
    '--data',
    at('distribution'),
    ...toLedger,
    ...toCollection,
    ...trust,
  );
  t.teardown(() => distribution.stop('SIGKILL'));
  const listening = [ledger, collection, distribution].map(({ ready }) => Boolean(ready.mqtt));
  t.deepEqual(listening, [false, false, true], 'devices reach the distribution server and no other');

  const as = (name: string) => ['--key-file', at(`ledger/people/${name}.key`)];
  const product = ['--new-product', '--vendor', 'example.com', '--memory-class', 'M', '--slot-bytes', '262144'];
  const published = await runJson<ReleaseView>(
    'publish',
    IMAGE,
    '--product',
    'sensor-node',
    '--version',
    '1.0.1',
    ...product,
    '--data',
    at('collection'),
    ...as('engineer'),
  );
  t.is(published.code, 0, published.stderr);
  const { releaseLeaf } = published.json;
  const approved = await runJson('approve', releaseLeaf, '--wait', '--data', at('collection'), ...as('approver'));
  t.is(approved.json.state, 'confirmed', approved.stderr);
  const opened = await runJson<Opened>('rollout', 'open', releaseLeaf, '--data', at('distribution'), ...as('operator'));
  t.is(opened.code, 0, opened.stderr);
  await waitForState(at('distribution'), opened.json.rolloutId, 'open');

  const elsewhere = await runJson('rollout', 'open', releaseLeaf, '--data', at('collection'), ...as('operator'));
  t.is(elsewhere.json.error?.code, 'NOT_FOUND');
  t.regex(elsewhere.json.error!.text, /collection server has no POST/);
  for (const server of [distribution, collection, ledger]) t.is((await server.stop()).code, 0);
});

test('beyond this machine it is said that no second factor is demanded, and nowhere else', async (t) => {
  const data = join(await temporary(t), 'data');
  const started = async (...words: string[]) => {
    const server = await up('--data', data, '--no-samples', '--port', '0', '--mqtt-port', '0', ...words);
    const { code, stderr } = await server.stop();
    t.is(code, 0, stderr);
    return { said: server.ready.warnings, stderr };
  };
  const far = ['--host', '0.0.0.0', '--plain'];
  const { said, stderr } = await started(...far);
  t.deepEqual([said.length, stderr.includes(`warning: ${said[0]}\n`)], [1, true]);
  t.regex(said[0]!, /--require-totp/);
  t.deepEqual((await started(...far, '--require-totp')).said, []);
  t.deepEqual((await started()).said, []);
});
