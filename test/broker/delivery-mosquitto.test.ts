/** The distribution server's client and a device's link against Mosquitto, with the rights file we write for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MOSQUITTO_BOUNDS, mosquittoAcl } from '@countersign/broker/distribution/delivery/acl';
import { connectDelivery } from '@countersign/broker/distribution/delivery/client';
import { hex } from '@countersign/device-sdk/format';
import { mqttLink } from '@countersign/device-sdk/host/mqtt';
import test, { type ExecutionContext } from 'ava';
import { block, isInstalled, runMosquitto } from '../support/mosquitto.ts';
import { CLASS_ID, eventually, makeDevice, RawClient } from './delivery-bed.ts';

test('the same server and link work over Mosquitto, and its rights are ours', async (t) => {
  const running = await startMosquitto(t);
  if (running === undefined) {
    t.log('mosquitto is not installed: left out');
    t.pass();
    return;
  }
  const { port } = running;
  const url = `mqtt://127.0.0.1:${port}`;
  const server = await connectDelivery(url, { password: 'not asked for here' });
  t.teardown(() => server.close());
  const heard: string[] = [];
  server.onRequest((id, bytes) => server.send(id, 'frm', bytes));
  server.onReport((id) => void heard.push(hex(id)));
  t.true(await server.publishAnnouncement(CLASS_ID, new Uint8Array(1_500)));

  const device = makeDevice();
  const told: string[] = [];
  const link = mqttLink({ url, deviceId: device.id, classId: CLASS_ID });
  t.teardown(() => link.close());
  const tell = (what: string) => () => void told.push(what);
  link.open(
    {
      up: tell('up'),
      down: tell('down'),
      announcement: tell('announcement'),
      answer: tell('answer'),
      command: tell('command'),
    },
    () => device.login(),
  );
  await eventually(() => told.includes('announcement'));
  await link.request(new Uint8Array(20));
  await link.report(new Uint8Array(500));
  await server.send(device.id, 'cmd', new Uint8Array(100));
  await eventually(() => told.length === 4 && heard.length === 1);
  t.deepEqual(told.toSorted(), ['announcement', 'answer', 'command', 'up']);
  t.deepEqual(heard, [device.name]);

  // Mosquitto grants any subscription and delivers nothing of it; a publish it swallows.
  const thief = new RawClient(port);
  t.is(await thief.connect({ clientId: 'thief', username: makeDevice().name, password: Buffer.from('x') }), 0);
  for (const filter of ['#', '$SYS/#', `ota/v1/d/${device.name}/frm`, 'ota/v1/d/+/req'])
    await thief.subscribe(filter, 1);
  thief.publish(`ota/v1/d/${device.name}/status`, 'forged', { qos: 1 });
  thief.publish(`ota/v1/d/${device.name}/cmd`, 'forged', { qos: 1 });
  await link.request(new Uint8Array(20));
  await eventually(() => told.filter((what) => what === 'answer').length === 2);
  await link.report(new Uint8Array(500));
  await eventually(() => heard.length === 2);
  thief.send({ cmd: 'pingreq' });
  await thief.next((packet) => packet.cmd === 'pingresp');
  // Announcements are for every device of this broker.
  t.deepEqual(
    thief.messages().map(({ topic }) => topic),
    [`ota/v1/c/${hex(CLASS_ID)}/announce`],
  );
  t.is(told.filter((what) => what === 'command').length, 1);
});

test('a device that is revoked says and hears nothing over Mosquitto after a reload', async (t) => {
  const running = await startMosquitto(t);
  if (running === undefined) {
    t.log('mosquitto is not installed: left out');
    t.pass();
    return;
  }
  const { port, acl, reload } = running;
  const [revoked, other] = [makeDevice(), makeDevice()];
  const own = async ({ name }: { name: string }) => {
    const client = new RawClient(port);
    t.is(await client.connect({ clientId: name, username: name, password: Buffer.from('x') }), 0);
    await client.subscribe(`ota/v1/d/${name}/cmd`, 1);
    return client;
  };
  const server = new RawClient(port);
  t.is(await server.connect({ clientId: 'distribution', username: 'distribution', password: Buffer.from('x') }), 0);
  await server.subscribe('ota/v1/d/+/req', 1);
  const [out, stays] = [await own(revoked), await own(other)];
  const heard = ({ name }: { name: string }) =>
    server.messages().filter(({ topic }) => topic === `ota/v1/d/${name}/req`).length;
  out.publish(`ota/v1/d/${revoked.name}/req`, 'before', { qos: 1 });
  await eventually(() => heard(revoked) === 1);

  await writeFile(acl, mosquittoAcl([revoked.name]));
  reload();
  // When it has read the file cannot be seen but by what it does: a message that is not passed on.
  for (let shut = false; !shut; ) {
    const before = heard(revoked);
    const mark = heard(other);
    await acknowledged(out, `ota/v1/d/${revoked.name}/req`);
    stays.publish(`ota/v1/d/${other.name}/req`, 'mark', { qos: 1 });
    await eventually(() => heard(other) > mark);
    shut = heard(revoked) === before;
  }
  for (const { name } of [revoked, other]) server.publish(`ota/v1/d/${name}/cmd`, 'command', { qos: 1 });
  await eventually(() => stays.messages().length === 1);
  await acknowledged(out, `ota/v1/d/${revoked.name}/req`);
  t.is(out.messages().length, 0);
});

/** Mosquitto acknowledges what it swallows, too: all that it did before is done. */
async function acknowledged(client: RawClient, topic: string): Promise<void> {
  const id = client.publish(topic, 'again', { qos: 1 });
  await client.next((packet) => packet.cmd === 'puback' && packet.messageId === id);
}

test("the files for Mosquitto in docs/OPERATIONS.md are the embedded broker's rights and bounds", (t) => {
  t.is(block('countersign.acl'), mosquittoAcl());
  t.true(block('mosquitto.conf').endsWith(MOSQUITTO_BOUNDS));
});

async function startMosquitto(t: ExecutionContext) {
  if (!isInstalled('mosquitto')) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'mosquitto-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const acl = join(folder, 'acl');
  await writeFile(acl, mosquittoAcl(), { mode: 0o700 });
  const rights = `allow_anonymous true\nacl_file ${acl}\n${MOSQUITTO_BOUNDS}`;
  const { port, reload, stop } = await runMosquitto(folder, (at) => `listener ${at} 127.0.0.1\n${rights}`);
  t.teardown(stop);
  return { port, acl, reload };
}
