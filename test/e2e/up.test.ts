/** The first hour of a user: `up`, publish, approve, open, look, audit, stop, start again. Real processes, real sockets. */
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { getRollout } from '@countersign/broker/face/client/rollouts';
import { openSession } from '@countersign/broker/face/client/session';
import { readEndpointFile } from '@countersign/broker/face/up/endpoint-file';
import test from 'ava';
import { temporary, up } from '../support/command.ts';
import { runVerbJson as runJson, runVerb } from '../support/command-here.ts';

const IMAGE = fileURLToPath(new URL('../../../firmware-samples/images/sensor-node-1.0.1.bin', import.meta.url));
/** Of RFC 8032 section 7.1, test 2: a public key of which this test has no secret. */
const DEVICE_KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';

test('from the first start to a rollout and back again', async (t) => {
  t.timeout(120_000);
  const data = join(await temporary(t), 'data');
  const here = ['--data', data] as const;
  let running = await up(...here);
  t.teardown(() => running.stop('SIGKILL'));

  const { url, token, mqtt, samples } = running.ready;
  t.deepEqual(samples, ['sensor-node@1.0.0', 'valve-controller@2.0.0']);
  t.regex(token!, /^[\w-]{43}$/);
  t.regex(mqtt, /^mqtt:\/\/127\.0\.0\.1:\d+$/);
  for (const file of ['client-token', 'endpoint.json', 'api/token.json', 'people/engineer.key']) {
    t.is((await stat(join(data, file))).mode & 0o777, 0o600, file);
  }
  t.false((await readFile(join(data, 'api/token.json'), 'utf8')).includes(token!), 'the token is stored as a hash');
  t.false((await readFile(join(data, 'endpoint.json'), 'utf8')).includes(token!));

  const second = await runJson('up', ...here);
  t.is(second.code, 1);
  t.is(second.json.error.code, 'LOCKED');

  const published = await runJson('publish', IMAGE, '--product', 'sensor-node', '--version', '1.0.1', ...here);
  t.is(published.code, 0, published.stderr);
  const { releaseLeaf, imageBytes, branches } = published.json;
  t.is(published.json.state, 'uploaded');
  t.deepEqual(
    branches.map((branch: { base: string | null }) => branch.base),
    ['1.0.0', null],
  );
  t.true(branches[0].bytes < imageBytes / 20, 'a one-line fix travels as a small delta');

  const early = await runJson('rollout', 'open', releaseLeaf, ...here);
  t.deepEqual([early.code, early.json.error.code], [1, 'NOT_APPROVED']);
  const own = await runJson('approve', releaseLeaf, '--as', 'engineer', ...here);
  t.deepEqual([own.code, own.json.error.code], [1, 'NOT_PERMITTED']);
  const approved = await runJson('approve', 'sensor-node@1.0.1', '--image', IMAGE, '--wait', ...here);
  t.is(approved.code, 0, approved.stderr);
  t.deepEqual([approved.json.state, approved.json.approvals], ['confirmed', ['approver']]);

  const enrolled = await runJson(
    'devices',
    'enrol',
    '--product',
    'sensor-node',
    '--key',
    DEVICE_KEY,
    '--label',
    'hw=C',
    ...here,
  );
  t.is(enrolled.code, 0, enrolled.stderr);
  const { deviceId } = enrolled.json.devices[0];
  const devices = await runJson('devices', ...here);
  t.like(devices.json[0], { deviceId, publicKey: DEVICE_KEY, state: 'enrolled', labels: { hw: 'C' }, outcome: null });

  const opened = await runJson(
    'rollout',
    'open',
    releaseLeaf.slice(0, 10),
    '--wave',
    'hw=C',
    '--wave',
    '100%',
    ...here,
  );
  t.is(opened.code, 0, opened.stderr);
  t.is(opened.json.plan.waves[0].devices, 1);
  await waitForState(data, opened.json.rolloutId, 'open');
  const shown = await runJson('rollout', 'show', opened.json.rolloutId.slice(0, 8), ...here);
  t.like(shown.json, { releaseLeaf, state: 'open', wave: 0, totals: { updated: 0, reverted: 0 } });
  const paused = await runJson('rollout', 'pause', opened.json.rolloutId, '--reason', 'lunch', ...here);
  t.is(paused.code, 0, paused.stderr);
  await waitForState(data, opened.json.rolloutId, 'paused');

  const history = await runJson('history', releaseLeaf, ...here);
  t.deepEqual(
    history.json.map((item: { action: string }) => item.action),
    ['confirm', 'approve', 'upload'],
  );
  t.deepEqual(
    history.json.map((item: { signer: string }) => item.signer),
    ['service', 'approver', 'engineer'],
  );

  const headFile = join(data, 'kept-head');
  const head = await runJson('head', '--save', headFile, ...here);
  const stopped = await running.stop();
  t.is(stopped.code, 0, stopped.stderr);

  running = await up(...here, '--no-samples');
  t.is(running.ready.url, url, 'a restart answers at the same address');
  t.is(running.ready.mqtt, mqtt);
  t.is(running.ready.token, null, 'the token is shown once');
  const releases = await runJson('releases', '--product', 'sensor-node', ...here);
  t.deepEqual(
    releases.json.map((r: { version: string; state: string }) => [r.version, r.state]),
    [
      ['1.0.0', 'confirmed'],
      ['1.0.1', 'confirmed'],
    ],
  );

  const trust = ['--trust', join(data, 'trust-root.cbor'), '--head', headFile] as const;
  for (const target of [data, running.ready.url]) {
    const audit = await runJson('audit', target, ...trust, ...here);
    t.is(audit.code, 0, JSON.stringify(audit.json));
    t.like(audit.json, { ok: true, anchored: true, cosignatures: 0, problems: [] });
    t.true(audit.json.entries >= head.json.size && audit.json.blocks > 0);
  }
  await running.stop();
  const damaged = await flipped(join(data, 'ledger/0000000000.blocks'));
  const audit = await runJson('audit', data);
  t.is(audit.code, 1, 'an audit that finds something is not done');
  t.false(audit.json.ok);
  t.truthy(audit.json.problems[0].code && audit.json.problems[0].where && audit.json.problems[0].text, damaged);
});

test('without --data everything is gone at the end, and SIGINT stops as well as SIGTERM', async (t) => {
  const running = await up('--no-samples');
  t.true(existsSync(running.ready.data));
  const health = await fetch(`${running.ready.url}/healthz`);
  t.deepEqual([health.status, ((await health.json()) as { ok: boolean }).ok], [200, true]);
  t.is((await running.stop('SIGINT')).code, 0);
  t.false(existsSync(running.ready.data));
});

test('killed in the middle, it continues on the same folder', async (t) => {
  const data = await temporary(t);
  const first = await up('--data', data, '--no-samples');
  await first.stop('SIGKILL');
  const again = await up('--data', data, '--no-samples');
  t.is(again.ready.origin, first.ready.origin);
  t.is((await again.stop()).code, 0);
});

test('three processes with keys and folders of their own do the work of one', async (t) => {
  t.timeout(120_000);
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

  const as = (name: string) => ['--key-file', at(`ledger/people/${name}.key`)];
  const product = ['--new-product', '--vendor', 'example.com', '--memory-class', 'M', '--slot-bytes', '262144'];
  const published = await runJson(
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
  const opened = await runJson('rollout', 'open', releaseLeaf, '--data', at('distribution'), ...as('operator'));
  t.is(opened.code, 0, opened.stderr);
  await waitForState(at('distribution'), opened.json.rolloutId, 'open');

  const elsewhere = await runJson('rollout', 'open', releaseLeaf, '--data', at('collection'), ...as('operator'));
  t.is(elsewhere.json.error.code, 'NOT_FOUND');
  t.regex(elsewhere.json.error.text, /collection server has no POST/);
  for (const server of [distribution, collection, ledger]) t.is((await server.stop()).code, 0);
});

/** Asks the server itself: a process for each look would take longer than what is waited for. */
async function waitForState(data: string, rolloutId: string, state: string) {
  const token = (await readFile(join(data, 'client-token'), 'utf8')).trim();
  const session = await openSession(apiClient((await readEndpointFile(data)).url, token));
  for (let i = 0; i < 250; i++) {
    if ((await getRollout(session, rolloutId)).state === state) return;
    await sleep(20);
  }
  throw new Error(`rollout ${rolloutId} did not become ${state}`);
}

async function flipped(path: string): Promise<string> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
  return `byte ${at}`;
}
