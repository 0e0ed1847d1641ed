import { announceTopic, TOPIC_HEAD } from '@countersign/device-sdk/format';
import test from 'ava';
import type { IConnectPacket } from 'mqtt-packet';
import { CLASS_ID, makeBed, RawClient, SECRET } from './delivery-bed.ts';

const OTHER = 'ff'.repeat(16);

test('a device may subscribe to its own frm and cmd, its class and the head, and to nothing else', async (t) => {
  const bed = await makeBed(t);
  const device = bed.device();
  const client = new RawClient(bed.delivery.port);
  await client.loginAs(device);
  const own = `ota/v1/d/${device.name}`;
  for (const [topic, qos] of [
    [`${own}/frm`, 0],
    [`${own}/cmd`, 1],
    [announceTopic(CLASS_ID), 1],
    [TOPIC_HEAD, 1],
  ] as const) {
    t.is(await client.subscribe(topic, qos), qos, topic);
  }
  const forbidden = [
    ['$SYS/#', 0],
    ['$SYS/+/new/clients', 0],
    ['$SYS/test-broker/new/subscribes', 0],
    [`$share/all/${own}/frm`, 0],
    ['$share/all/ota/v1/d/+/req', 0],
    ['#', 0],
    ['+/+/+/+/+', 0],
    ['ota/v1/#', 0],
    ['ota/v1/d/+/req', 0],
    [`ota/v1/d/${OTHER}/frm`, 0],
    [`ota/v1/d/${OTHER}/cmd`, 1],
    [`${own}/req`, 0],
    [`${own}/+`, 0],
    [`${own}/frm/`, 0],
    ['ota/v1/c/+/announce', 0],
    [`ota/v1/c/${OTHER}/announce`, 0],
    [`${own}/cmd`, 2],
  ] as const;
  for (const [topic, qos] of forbidden) t.is(await client.subscribe(topic, qos), 128, topic);
  t.deepEqual(bed.delivery.metrics().denied, { NOT_PERMITTED: forbidden.length });
  t.false(client.closed);
});

const FORBIDDEN_PUBLISHES: [string, (own: string) => Parameters<RawClient['publish']>][] = [
  ["another device's requests", () => [`ota/v1/d/${OTHER}/req`, 'x']],
  ["another device's reports", () => [`ota/v1/d/${OTHER}/status`, 'x', { qos: 1 }]],
  ['its own answers', (own) => [`${own}/frm`, 'x']],
  ['its own commands', (own) => [`${own}/cmd`, 'x']],
  ["its class's announcement", () => [announceTopic(CLASS_ID), 'x', { qos: 1, retain: true }]],
  ['the head', () => [TOPIC_HEAD, 'x', { qos: 1, retain: true }]],
  ['$SYS', () => ['$SYS/test-broker/heartbeat', 'x']],
  ['a topic of its own making', () => ['hello', 'x']],
  ['a retained request', (own) => [`${own}/req`, 'x', { retain: true }]],
  ['a retained report', (own) => [`${own}/status`, 'x', { qos: 1, retain: true }]],
  ['a report with QoS 2', (own) => [`${own}/status`, 'x', { qos: 2 }]],
  ['a request that is too long', (own) => [`${own}/req`, Buffer.alloc(129)]],
];

test('a device that publishes anything else is disconnected, and nobody hears it', async (t) => {
  const bed = await makeBed(t);
  const server = new RawClient(bed.delivery.port);
  await server.loginAsServer();
  t.is(await server.subscribe('ota/v1/d/+/req'), 0);
  t.is(await server.subscribe('ota/v1/d/+/status', 1), 1);
  const device = bed.device();
  const own = `ota/v1/d/${device.name}`;
  for (const [, publish] of FORBIDDEN_PUBLISHES) {
    const client = new RawClient(bed.delivery.port);
    await client.loginAs(device);
    client.publish(...publish(own));
    await client.ended();
  }
  t.deepEqual(bed.delivery.metrics().denied, { NOT_PERMITTED: FORBIDDEN_PUBLISHES.length });

  const honest = new RawClient(bed.delivery.port);
  await honest.loginAs(device);
  honest.publish(`${own}/req`, 'ask');
  const messageId = honest.publish(`${own}/status`, 'report', { qos: 1 });
  await honest.next((p) => p.cmd === 'puback' && p.messageId === messageId);
  await server.until(() => server.messages().length >= 2);
  t.deepEqual(
    server.messages().map(({ topic, payload }) => [topic, payload.toString()]),
    [
      [`${own}/req`, 'ask'],
      [`${own}/status`, 'report'],
    ],
  );
  // Nothing was retained: a device that comes new hears nothing of it.
  const late = new RawClient(bed.delivery.port);
  await late.loginAs(bed.device());
  await late.subscribe(announceTopic(CLASS_ID), 1);
  await late.subscribe(TOPIC_HEAD, 1);
  late.send({ cmd: 'pingreq' });
  await late.next((p) => p.cmd === 'pingresp');
  t.deepEqual(late.messages(), []);
});

test('the distribution server has its own topics and no others, and few retained ones', async (t) => {
  const bed = await makeBed(t, { limits: { retainedTopics: 2 } });
  const announce = (n: number) => announceTopic(new Uint8Array(16).fill(n));
  const forbidden: Parameters<RawClient['publish']>[] = [
    [`ota/v1/d/${OTHER}/req`, 'x'],
    [`ota/v1/d/${OTHER}/frm`, 'x', { retain: true }],
    [announce(1), 'x', { qos: 1 }],
    [TOPIC_HEAD, 'x', { qos: 2, retain: true }],
    ['$SYS/test-broker/heartbeat', 'x'],
  ];
  for (const message of forbidden) {
    const server = new RawClient(bed.delivery.port);
    await server.loginAsServer();
    server.publish(...message);
    await server.ended();
  }
  const server = new RawClient(bed.delivery.port);
  await server.loginAsServer();
  for (const filter of ['#', '$SYS/#', 'ota/v1/d/+/cmd', '$share/a/ota/v1/d/+/req']) {
    t.is(await server.subscribe(filter), 128, filter);
  }
  for (const n of [1, 2, 1]) server.publish(announce(n), 'x', { qos: 1, retain: true });
  await server.next((p) => p.cmd === 'puback' && p.messageId === 7);
  t.false(server.closed);
  server.publish(announce(3), 'x', { qos: 1, retain: true });
  await server.ended();
  t.deepEqual(bed.delivery.metrics().denied, { NOT_PERMITTED: forbidden.length + 4, TOO_LARGE: 1 });
});

const REFUSED_CONNECTS: [string, Partial<IConnectPacket>, number | undefined][] = [
  ['a session that outlives its connection', { clean: false }, 5],
  ['a last will', { will: { topic: 'ota/v1/log/head', payload: Buffer.from('x'), qos: 0, retain: true } }, 5],
  ['no keep-alive', { keepalive: 0 }, 5],
  ['a keep-alive of eighteen hours', { keepalive: 65_535 }, 5],
  ['MQTT 3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }, 2],
  ['MQTT 5', { protocolVersion: 5 }, 1],
];

for (const [what, change, code] of REFUSED_CONNECTS) {
  test(`a connection is refused, its login unused: ${what}`, async (t) => {
    const bed = await makeBed(t);
    const device = bed.device();
    const password = Buffer.from(await device.login());
    const credentials = { clientId: device.name, username: device.name, password };
    const client = new RawClient(bed.delivery.port);
    t.is(await client.connect({ ...credentials, ...change }), code);
    await client.ended();
    const again = new RawClient(bed.delivery.port);
    t.is(await again.connect(credentials), 0);
    await bed.close();
  });
}

test('a wrong secret is not the distribution server', async (t) => {
  const bed = await makeBed(t);
  const client = new RawClient(bed.delivery.port);
  const name = 'distribution';
  t.is(await client.connect({ clientId: name, username: name, password: Buffer.from(`${SECRET}.`) }), 4);
  await client.ended();
  t.deepEqual(bed.delivery.metrics().denied, { UNAUTHORIZED: 1 });
});
