/** The first hour of a user: `up`, publish, approve, open, look, audit, a kill, a start again. Real servers, real sockets. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Standing } from '@countersign/broker/face/cli/standing';
import type { Opened } from '@countersign/broker/face/client/rollouts';
import type { AuditResult } from '@countersign/broker/ledger/audit-result';
import type { DeviceView, HistoryItem, ReleaseView } from '@countersign/broker/ledger/contract/views';
import test from 'ava';
import { temporary, up } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { freePort } from '../support/ports.ts';
import { waitForState } from '../support/rollout-state.ts';

const IMAGE = fileURLToPath(new URL('../../../firmware-samples/images/sensor-node-1.0.1.bin', import.meta.url));
/** Of RFC 8032 section 7.1, test 2: a public key of which this test has no secret. */
const DEVICE_KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';

/** What `publish` tells of an upload, as far as it is looked at. */
interface Uploaded {
  releaseLeaf: string;
  state: string;
  imageBytes: number;
  branches: { base: string | null; bytes: number }[];
}

test('from the first start to a rollout and back again', async (t) => {
  t.timeout(300_000);
  const data = join(await temporary(t), 'data');
  const here = ['--data', data] as const;
  // Ports that nobody is given between the kill and the next start, which asks for none.
  const ports = ['--port', String(await freePort()), '--mqtt-port', String(await freePort())];
  let running = await up(...here, ...ports);
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
  t.is(second.json.error?.code, 'LOCKED');
  t.regex(second.stderr, /^Another process of ours .* holds this folder/m);

  const published = await runJson<Uploaded>(
    'publish',
    IMAGE,
    '--product',
    'sensor-node',
    '--version',
    '1.0.1',
    ...here,
  );
  t.is(published.code, 0, published.stderr);
  const { releaseLeaf, imageBytes, branches } = published.json;
  t.is(published.json.state, 'uploaded');
  t.deepEqual(
    branches.map(({ base }) => base),
    ['1.0.0', null],
  );
  t.true(branches[0]!.bytes < imageBytes / 20, 'a one-line fix travels as a small delta');

  const early = await runJson('rollout', 'open', releaseLeaf, ...here);
  t.deepEqual([early.code, early.json.error?.code], [1, 'NOT_APPROVED']);
  t.regex(early.stderr, /once approved, the collection server confirms it/);
  const own = await runJson('approve', releaseLeaf, '--as', 'engineer', ...here);
  t.deepEqual([own.code, own.json.error?.code], [1, 'NOT_PERMITTED']);
  const approved = await runJson('approve', 'sensor-node@1.0.1', '--image', IMAGE, '--wait', ...here);
  t.is(approved.code, 0, approved.stderr);
  t.deepEqual([approved.json.state, approved.json.approvals], ['confirmed', ['approver']]);

  const enrolled = await runJson<{ devices: { deviceId: string }[] }>(
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
  const { deviceId } = enrolled.json.devices[0]!;
  const devices = await runJson<DeviceView[]>('devices', ...here);
  t.like(devices.json[0]!, { deviceId, publicKey: DEVICE_KEY, state: 'enrolled', labels: { hw: 'C' }, outcome: null });

  const opened = await runJson<Opened>(
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
  t.is(opened.json.plan.waves[0]!.devices, 1);
  await waitForState(data, opened.json.rolloutId, 'open');
  const offered = await runJson<Standing>('devices', deviceId.slice(0, 8), ...here);
  t.like(offered.json, { standing: 'offered', updateState: null, unanswered: { releaseLeaf } });
  t.regex(offered.json.explained, /^sensor-node@\S+ is offered to it since .* its word is due by /);
  const shown = await runJson('rollout', 'show', opened.json.rolloutId.slice(0, 8), ...here);
  t.like(shown.json, { releaseLeaf, state: 'open', wave: 0, totals: { updated: 0, reverted: 0 } });
  const paused = await runJson('rollout', 'pause', opened.json.rolloutId, '--reason', 'lunch', ...here);
  t.is(paused.code, 0, paused.stderr);
  await waitForState(data, opened.json.rolloutId, 'paused');

  const copy = join(data, 'copy.bin');
  for (const name of ['engineer', 'approver']) {
    const taken = await runJson('download', 'sensor-node@1.0.1', '--out', copy, '--as', name, ...here);
    t.is(taken.code, 0, taken.stderr);
    t.like(taken.json, { releaseLeaf, logged: true, bytes: imageBytes });
    t.deepEqual(await readFile(copy), await readFile(IMAGE));
  }
  const history = await runJson<HistoryItem[]>('history', releaseLeaf, ...here);
  t.deepEqual(
    history.json.map((item) => `${item.action} ${item.signer}`),
    ['download approver', 'download engineer', 'confirm service', 'approve approver', 'upload engineer'],
  );

  const headFile = join(data, 'kept-head');
  const head = await runJson<{ size: number }>('head', '--save', headFile, ...here);
  // As without power: it continues on the same folder.
  await running.stop('SIGKILL');

  const { origin } = running.ready;
  running = await up(...here, '--no-samples');
  t.is(running.ready.origin, origin);
  t.is(running.ready.url, url, 'a restart answers at the same address');
  t.is(running.ready.mqtt, mqtt);
  t.is(running.ready.token, null, 'the token is shown once');
  const releases = await runJson<ReleaseView[]>('releases', '--product', 'sensor-node', ...here);
  t.deepEqual(
    releases.json.map(({ version, state }) => [version, state]),
    [
      ['1.0.0', 'confirmed'],
      ['1.0.1', 'confirmed'],
    ],
  );

  const trust = ['--trust', join(data, 'trust-root.cbor'), '--head', headFile] as const;
  for (const target of [data, running.ready.url]) {
    const audit = await runJson<AuditResult>('audit', target, ...trust, ...here);
    t.is(audit.code, 0, JSON.stringify(audit.json));
    t.like(audit.json, { ok: true, anchored: true, cosignatures: 0, problems: [] });
    t.true(audit.json.entries >= head.json.size && audit.json.blocks > 0);
  }
  const stopped = await running.stop();
  t.is(stopped.code, 0, stopped.stderr);
  const damaged = await flipped(join(data, 'ledger/0000000000.blocks'));
  const audit = await runJson<AuditResult>('audit', data);
  t.is(audit.code, 1, 'an audit that finds something is not done');
  t.false(audit.json.ok);
  const [problem] = audit.json.problems;
  t.truthy(problem!.code && problem!.where && problem!.text, damaged);
});

async function flipped(path: string): Promise<string> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at]! ^= 1;
  await writeFile(path, bytes);
  return `byte ${at}`;
}
