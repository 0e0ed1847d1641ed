/** `countersign device`: a gateway as a process, against a real server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GrantView } from '@countersign/broker/ledger/contract/views';
import { readSample } from '@countersign/firmware-samples';
import { Authority } from '@countersign/simulator/attacks/server/certificates';
import test from 'ava';
import { CERT, KEY } from '../broker/delivery-certificate.ts';
import { run, runJson, temporary, up } from '../support/command.ts';
import {
  base,
  commandProfile,
  deviceOf,
  type ForFactory,
  firstRelease,
  Gateway,
  PRODUCT,
  release,
  untilDevice,
} from '../support/gateway.ts';
import { door, JunkBroker } from '../support/junk-broker.ts';
import { freePort } from '../support/ports.ts';
import { repository } from '../support/repository.ts';

const image = (version: string) => join(repository, `firmware-samples/images/sensor-node-${version}.bin`);
/** Wrong frames that end a fetch. */
const BAD_FRAMES_MAX = 8;
const SERVER = ['--port', '0', '--mqtt-port', '0', '--device-port', '0'];

test('an external installer takes an update; one that fails sends the target back, and the ledger knows why', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), ...SERVER);
  const { data } = server.ready;
  // MQTT is not there, so it comes by HTTP.
  const links = [{ url: 'mqtt://127.0.0.1:1' }, { url: (server.ready as unknown as { devices: string }).devices }];
  const own = join(folder, 'gateway');
  const words = join(folder, 'words');
  writeFileSync(words, 'a passphrase\n', { mode: 0o600 });
  const gateway = new Gateway(own, commandProfile(own, links), ['--passphrase-file', words]);
  t.teardown(async () => {
    await gateway.end();
    await server.stop();
  });
  const id = await gateway.enrol(data, '1.0.0');
  t.regex(readFileSync(join(own, 'state/device.key'), 'utf8'), /"kdf": "scrypt"/);
  t.is((await run('device', 'run', '--profile', gateway.profile)).code, 1, 'the key is sealed');
  gateway.supervise();
  await gateway.until(() => gateway.lines.some((line) => line.kind === 'link' && line.up));
  t.true(
    gateway.lines.some((line) => line.kind === 'way' && line.why === 'lost'),
    gateway.errors,
  );
  t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.0')));

  await release(data, image('1.0.1'), '1.0.1');
  await untilDevice(data, id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
  t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.1')));
  t.is(gateway.starts, 1, 'the target has restarted, the gateway has not');

  const second = await run('device', 'status', '--profile', gateway.profile);
  t.is(second.code, 1);
  t.regex(second.stderr, /LOCKED/);

  const script = readFileSync(join(own, 'install.mjs'), 'utf8');
  const old = readSample('sensor-node', '1.0.1').length;
  writeFileSync(join(own, 'install.mjs'), `${script}\nif (bytes.length !== ${old}) process.exit(74);\n`);
  await release(data, image('1.2.0'), '1.2.0');
  const reverted = await untilDevice(data, id, ({ outcome }) => outcome === 'reverted');
  t.is(reverted.code, 'FLASH_FAULT');
  t.is(reverted.version, '1.0.1');
  t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.1')));

  await gateway.end('SIGTERM');
  t.regex(gateway.errors, /stopping on SIGTERM/);
  const status = await run('device', 'status', '--profile', gateway.profile, '--json');
  t.like(JSON.parse(status.stdout), { deviceId: id, version: '1.0.1', pending: null, damaged: false });
});

test('a health check that says no sends the gateway back; a veto keeps it where it is', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), ...SERVER);
  const { data } = server.ready;
  const own = join(folder, 'gateway');
  const allowed = join(folder, 'allowed');
  const profile = {
    ...base([{ url: server.ready.mqtt }]),
    boot: { kind: 'link', current: 'current' },
    health: { command: ['false'], seconds: 30 },
    veto: { command: ['test', '-e', allowed] },
    askSeconds: 1,
  };
  const gateway = new Gateway(own, profile);
  t.teardown(async () => {
    await gateway.end();
    await server.stop();
  });
  const id = await gateway.enrol(data, '1.0.0');
  gateway.supervise();
  await release(data, image('1.0.1'), '1.0.1');
  await gateway.until(() => gateway.lines.filter((line) => 'code' in line && line.code === 'VETO').length >= 2);
  t.not((await deviceOf(data, id)).version, '1.0.1');
  writeFileSync(allowed, '');
  const reverted = await untilDevice(data, id, ({ outcome }) => outcome === 'reverted');
  t.is(reverted.code, 'SELF_TEST_FAILED');
  t.is(reverted.version, '1.0.0');
  t.true(gateway.starts >= 3, 'into the trial and back');
  await gateway.until(() => gateway.lines.at(-1)?.kind !== 'restart');
});

// Alone: the others below have their own limits of time, and share the processors.
test.serial('a broker that sends junk is left for HTTP, and the update comes by that', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), ...SERVER);
  t.teardown(() => server.stop());
  const { data, mqtt, devices } = server.ready as unknown as Record<'data' | 'mqtt' | 'devices', string>;
  // The other way opens when the broker has lied enough: a slow machine may have the device leave it for less.
  const http = `http://127.0.0.1:${await freePort()}`;
  const opens = () => void door(t, Number(new URL(http).port), devices);
  const broker = new JunkBroker({ lies: BAD_FRAMES_MAX, call: opens });
  await broker.listen(t, mqtt);
  const boot = { kind: 'link', current: 'current' };
  const gateway = new Gateway(join(folder, 'gateway'), { ...base([{ url: broker.url }, { url: http }]), boot });
  t.teardown(() => gateway.end());
  const id = await gateway.enrol(data, '1.0.0');
  gateway.supervise();
  await release(data, image('1.0.1'), '1.0.1');
  await untilDevice(data, id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
  const left = gateway.lines.some((line) => line.kind === 'way' && line.from === broker.url && line.why === 'junk');
  t.true(left, gateway.errors);
  t.true(gateway.lines.some((line) => line.kind === 'refused' && line.code === 'BAD_FRAME'));
  t.true(broker.lies >= BAD_FRAMES_MAX, `${broker.lies} frames`);
});

test('a device makes its own key and id, enrols itself with a code, updates and reports', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), ...SERVER);
  const { data } = server.ready;
  const links = [{ url: (server.ready as unknown as { devices: string }).devices }];
  const own = join(folder, 'device');
  const code = join(folder, 'code');
  const profile = { ...base(links), boot: { kind: 'link', current: 'current' }, askSeconds: 1 };
  const gateway = new Gateway(own, profile, [], ['--claim', `@${code}`]);
  t.teardown(async () => {
    await gateway.end();
    await server.stop();
  });
  const asked = ['--product', PRODUCT, '--provision', '1.0.0', '--out', join(folder, 'line')];
  const by = ['--data', data, '--as', 'operator'];
  const made = await runJson<ForFactory & { code: string }>('devices', 'code', ...asked, ...by);
  t.is(made.code, 0, made.stderr);
  const files = ['--record', made.json.provision, '--image', made.json.image];
  const on = ['--profile', gateway.profile];
  t.regex((await run('device', 'provision', ...on, ...files)).stderr, /BAD_PROVISION/, 'a record of no device');
  const id = (await runJson<{ deviceId: string }>('device', 'provision', ...on, ...files, '--new-id')).json.deviceId;
  writeFileSync(code, '0000-'.repeat(8).slice(0, -1));
  const wrong = await run('device', 'run', ...on, '--claim', `@${code}`);
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /UNAUTHORIZED/);

  writeFileSync(code, made.json.code);
  gateway.supervise();
  await gateway.until(() => gateway.lines.some((line) => line.kind === 'link' && line.up));
  t.like(await deviceOf(data, id), { state: 'enrolled', epoch: 0 });
  await release(data, image('1.0.1'), '1.0.1');
  await untilDevice(data, id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
  t.true(gateway.starts >= 2, 'it restarted into the trial, and did not claim again');
  const grants = (await runJson<GrantView[]>('devices', 'grants', '--data', data)).json;
  t.like(grants[0]!, { used: 1, devices: 1, state: 'open', by: 'operator' });
});

test('devices of a signed list enrol themselves by serial: one with the key of its factory, one with a secret', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), ...SERVER);
  const { data } = server.ready;
  const links = [{ url: (server.ready as unknown as { devices: string }).devices }];
  const profile = { ...base(links), boot: { kind: 'link', current: 'current' }, askSeconds: 1 };
  const own = new Gateway(join(folder, 'own'), profile, [], ['--serial', 'SN-1']);
  const codes = join(folder, 'codes.csv');
  const code = join(folder, 'code');
  const secret = new Gateway(join(folder, 'secret'), profile, [], ['--serial', 'SN-2', '--claim', `@${code}`]);
  t.teardown(async () => {
    await Promise.all([own.end(), secret.end()]);
    await server.stop();
  });
  const { publicKey } = (await runJson('device', 'key', '--profile', own.profile)).json;
  const list = join(folder, 'list.csv');
  writeFileSync(list, `serial,key\nSN-1,${publicKey}\nSN-2,\n`);
  const asked = ['--product', PRODUCT, '--provision', '1.0.0', '--out', join(folder, 'line'), '--codes', codes];
  const by = ['--data', data, '--as', 'operator'];
  const made = await runJson<ForFactory & { devices: number }>('devices', 'authorise', list, ...asked, ...by);
  t.is(made.code, 0, made.stderr);
  t.is(made.json.devices, 2);
  writeFileSync(code, /^SN-2,(.*)$/m.exec(readFileSync(codes, 'utf8'))![1]!);
  const files = ['--record', made.json.provision, '--image', made.json.image, '--new-id'];
  const ids: string[] = [];
  for (const { profile } of [own, secret]) {
    const done = await runJson<{ deviceId: string }>('device', 'provision', '--profile', profile, ...files);
    t.is(done.code, 0, done.stderr);
    ids.push(done.json.deviceId);
  }
  const stolen = await run('device', 'run', '--profile', own.profile, '--serial', 'SN-2');
  t.is(stolen.code, 1);
  t.regex(stolen.stderr, /UNAUTHORIZED/, "a serial that is another's");

  for (const [i, gateway] of [own, secret].entries()) {
    gateway.supervise();
    await gateway.until(() => gateway.lines.some((line) => line.kind === 'link' && line.up));
    t.like(await deviceOf(data, ids[i]!), { state: 'enrolled', epoch: 0, name: `SN-${i + 1}` });
  }
  await release(data, image('1.0.1'), '1.0.1');
  for (const id of ids) {
    await untilDevice(data, id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
  }
  const grants = (await runJson<GrantView[]>('devices', 'grants', '--data', data)).json;
  t.like(grants[0]!, { kind: 'list', used: 2, devices: 2, state: 'open', by: 'operator' });
  const tried = await runJson('history', grants[0]!.grantId, '--data', data);
  t.notRegex(JSON.stringify(tried.json), /SN-/, 'no serial is in the ledger');
});

test.serial(
  'a device enrols itself with the certificate of its factory, and comes by its own key from then on',
  async (t) => {
    t.timeout(600_000);
    const folder = await temporary(t);
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const factory = new Authority('factory');
    const own = factory.issue({ name: 'SN-7' });
    const [ca, serverCert, serverKey] = [
      file('ca.pem', factory.cert),
      file('server.pem', CERT),
      file('server.key', KEY),
    ];
    // For the commands of people, which speak to the same server.
    process.env.NODE_EXTRA_CA_CERTS = serverCert;
    t.teardown(() => void delete process.env.NODE_EXTRA_CA_CERTS);
    const tls = ['--tls-cert', serverCert, '--tls-key', serverKey];
    const server = await up('--data', join(folder, 'server'), ...SERVER, ...tls, '--enrol-ca', ca);
    const { data } = server.ready;
    const link = { url: (server.ready as unknown as { devices: string }).devices, ca: serverCert };
    const identity = { cert: file('own.pem', own.cert), key: file('own.key', own.key) };
    const profile = { ...base([{ ...link, ...identity }]), boot: { kind: 'link', current: 'current' }, askSeconds: 1 };
    const gateway = new Gateway(join(folder, 'device'), profile, [], ['--claim-cert']);
    t.teardown(async () => {
      await gateway.end();
      await server.stop();
    });
    await firstRelease(data);
    const asked = ['--product', PRODUCT, '--count', '5', '--provision', '1.0.0', '--out', join(folder, 'line')];
    const made = await runJson<ForFactory>('devices', 'authority', ca, ...asked, '--data', data, '--as', 'operator');
    t.is(made.code, 0, made.stderr);
    const files = ['--record', made.json.provision, '--image', made.json.image, '--new-id'];
    const id = (await runJson<{ deviceId: string }>('device', 'provision', '--profile', gateway.profile, ...files)).json
      .deviceId;
    gateway.supervise();
    await gateway.until(() => gateway.lines.some((line) => line.kind === 'link' && line.up));
    t.like(await deviceOf(data, id), { state: 'enrolled', epoch: 0, name: 'SN-7' });
    await gateway.end();
    // What the factory gave is not needed any more.
    writeFileSync(gateway.profile, JSON.stringify({ ...profile, links: [link] }));
    await release(data, image('1.0.1'), '1.0.1');
    gateway.supervise();
    await untilDevice(data, id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
    const grants = (await runJson<GrantView[]>('devices', 'grants', '--data', data)).json;
    t.like(grants[0]!, { kind: 'authority', used: 1, devices: 5, state: 'open', by: 'operator' });
  },
);
