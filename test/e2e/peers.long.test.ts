/** Orderer, three peers and a device as processes: each is killed without warning, and the device is never misled. */
import { once } from 'node:events';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEndpointFile } from '@countersign/broker/face/up/endpoint-file';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { AuditResult } from '@countersign/broker/ledger/audit-result';
import type { DeviceView, HistoryItem } from '@countersign/broker/ledger/contract/views';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { runJson, start, startPeer, temporary, type Up, up } from '../support/command.ts';
import { runVerbJson } from '../support/command-here.ts';
import { commandProfile, Gateway, PRODUCT, release, untilDevice } from '../support/gateway.ts';
import { repository } from '../support/repository.ts';

const image = (version: string) => join(repository, `firmware-samples/images/sensor-node-${version}.bin`);
const SERVER = ['--port', '0', '--mqtt-port', '0', '--people', 'engineer=engineer', '--people', 'approver=approver'];
const OPERATOR = ['--people', 'operator=operator'];
const PEERS = ['p1', 'p2', 'p3'];

async function published(data: string, version: string): Promise<void> {
  const name = ['--product', PRODUCT, '--version', version, '--as', 'engineer', '--data', data];
  const publish = await runJson('publish', image(version), ...name);
  const approve = await runJson('approve', `${PRODUCT}@${version}`, '--as', 'approver', '--wait', '--data', data);
  if (publish.code !== 0 || approve.code !== 0) throw new Error(publish.stderr + approve.stderr);
}

const peer = (folder: string, name: string, follow: string) =>
  startPeer('--follow', follow, '--data', join(folder, name));

test('any one process is killed: the device updates while two peers are honest, and the ledger comes back from them', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const orderer = join(folder, 'o');
  const keys = await Promise.all(
    PEERS.map(async (name) => {
      const file = join(folder, `${name}.json`);
      const { json } = await runVerbJson('keys', 'server', 'peer', '--data', join(folder, name));
      writeFileSync(file, JSON.stringify(json));
      return ['--peer-key', file];
    }),
  );
  let server = await up('--data', orderer, ...SERVER, ...OPERATOR, ...keys.flat());
  t.deepEqual((server.ready as unknown as { quorum: unknown }).quorum, { needed: 2, peers: 3 });
  const peers = new Map<string, Pick<Up, 'stop'>>();
  for (const name of PEERS) peers.set(name, await peer(folder, name, orderer));
  const own = join(folder, 'gateway');
  const gateway = new Gateway(own, commandProfile(own, [{ url: server.ready.mqtt }]));
  t.teardown(async () => {
    await gateway.end();
    for (const one of peers.values()) await one.stop('SIGKILL');
    await server.stop('SIGKILL');
  });
  const id = await gateway.enrol(orderer, '1.0.0');
  gateway.supervise();
  const runs = async (version: string) => {
    await untilDevice(orderer, id, (device) => device.outcome === 'updated' && device.version === version);
    t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample('sensor-node', version)));
  };

  // One peer dies: two are the quorum.
  await peers.get('p1')!.stop('SIGKILL');
  await release(orderer, image('1.0.1'), '1.0.1');
  await runs('1.0.1');

  // Two are dead: the release is logged, and nobody hears of it until one is back.
  await peers.get('p2')!.stop('SIGKILL');
  await published(orderer, '1.1.0');
  const open = ['rollout', 'open', `${PRODUCT}@1.1.0`, '--jitter', '0', '--as', 'operator', '--data', orderer] as const;
  const opening = start([...open, '--json']);
  await once(opening.child.stderr!, 'data');
  const state = await runVerbJson('head', '--data', orderer);
  t.true(state.code === 0, 'the former head is still shown');
  const device = await runJson('devices', id, '--data', orderer);
  t.is(device.json.version, '1.0.1');
  peers.set('p1', await peer(folder, 'p1', orderer));
  const { code, stderr } = await opening.ended;
  t.is(code, 0, stderr);
  t.regex(stderr, /the peers have cosigned \d+ entries; waiting a minute/, 'the operator hears why');
  await runs('1.1.0');
  peers.set('p2', await peer(folder, 'p2', orderer));

  // The orderer dies. Its peers answer what can be read; nothing can be written.
  await server.stop('SIGKILL');
  const { url } = await readEndpointFile(join(folder, 'p1'));
  t.true(url.startsWith('http://127.0.0.1:'));
  const there = ['--data', join(folder, 'p1')] as const;
  const history = await runVerbJson<HistoryItem[]>('history', `${PRODUCT}@1.1.0`, ...there);
  t.true(history.code === 0 && history.json.length > 0, history.stderr);
  t.is((await runVerbJson<DeviceView[]>('devices', ...there)).json[0]!.deviceId, id);
  const asked = ['--trust', join(orderer, 'trust-root.cbor'), '--server', url, ...there];
  const audit = await runVerbJson<AuditResult>('audit', ...asked);
  t.true(audit.json.ok, audit.stderr);
  t.true(audit.json.cosignatures >= 2);

  // It starts again on what it has.
  server = await up('--data', orderer);
  await release(orderer, image('1.2.0'), '1.2.0');
  await runs('1.2.0');

  // It has written more than its peers have; then its ledger is lost. From the copies alone nothing begins.
  for (const one of peers.values()) await one.stop('SIGKILL');
  const key = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
  t.is((await runJson('devices', 'enrol', '--product', PRODUCT, '--key', key, '--data', orderer)).code, 0);
  await server.stop('SIGKILL');
  const saved = join(folder, 'head');
  copyFileSync(join(orderer, 'ledger', 'head'), saved);
  rmSync(join(orderer, 'ledger'), { recursive: true });
  for (const name of PEERS) peers.set(name, await lonely(folder, name));
  const from = PEERS.flatMap((name) => ['--from-peer', join(folder, name)]);
  t.is((await runJson('up', '--data', orderer)).json.error?.code, 'BAD_STORE', 'a lost ledger is not made anew');
  const ahead = await runJson('up', '--data', orderer, ...from, '--head', saved);
  t.is(ahead.json.error?.code, 'BAD_HEAD', 'the head that was kept elsewhere is ahead of every copy');
  const few = await runJson('up', '--data', orderer, '--from-peer', join(folder, 'p1'));
  t.is(few.json.error?.code, 'NO_QUORUM', 'one of three need not know the newest head with a quorum');

  // What was lost had no quorum: nobody relied on it. The three copies together are enough to go on.
  server = await up('--data', orderer, ...from);
  await release(orderer, image('1.3.0'), '1.3.0');
  await runs('1.3.0');
  t.is(gateway.errors.includes('SPLIT_VIEW'), false);
  for (const name of PEERS) {
    await peers.get(name)!.stop('SIGTERM');
    t.like(await auditFolder(join(folder, name)), { ok: true });
  }

  /** A peer whose orderer is away: it opens its copy and serves it. */
  function lonely(at: string, name: string): Promise<Pick<Up, 'stop'>> {
    return peer(at, name, orderer);
  }
});
