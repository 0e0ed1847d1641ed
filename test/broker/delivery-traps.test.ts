/** What stops or kills a plain aedes, done to ours. */
import { createDelivery } from '@countersign/broker/distribution/delivery/broker';
import { flatEmitter } from '@countersign/broker/distribution/delivery/emitter';
import { codeOf } from '@countersign/device-sdk';
import { announceTopic } from '@countersign/device-sdk/format';
import test from 'ava';
import mqemitter from 'mqemitter';
import { freePort } from '../support/ports.ts';
import { BROKER_ID, CLASS_ID, eventually, makeBed, RawClient } from './delivery-bed.ts';
import { CERT, KEY } from './delivery-certificate.ts';
import { fuzzBroker } from './delivery-fuzz.ts';

const ANNOUNCE = announceTopic(CLASS_ID);

test('a reader who is frozen delays nobody, even for a drain time of a minute', async (t) => {
  const bed = await makeBed(t, { limits: { drainMs: 60_000 } });
  const [frozen, healthy, server] = [0, 1, 2].map(() => new RawClient(bed.delivery.port)) as [
    RawClient,
    RawClient,
    RawClient,
  ];
  await frozen.loginAs(bed.device());
  await healthy.loginAs(bed.device());
  await server.loginAsServer();
  await frozen.subscribe(ANNOUNCE, 1);
  await healthy.subscribe(ANNOUNCE, 1);
  frozen.socket.pause();
  const payload = Buffer.alloc(16_384);
  const dropped = () => bed.delivery.metrics().denied.BUSY ?? 0;
  let sent = 0;
  // The kernel keeps megabytes for the frozen one first.
  while (dropped() < 200) {
    for (let j = 0; j < 8; j++) server.publish(ANNOUNCE, payload, { qos: 1, retain: true });
    sent += 8;
    await healthy.until(() => healthy.count >= sent);
  }
  t.is(healthy.count, sent);
  t.deepEqual(Object.keys(bed.delivery.metrics().denied), ['BUSY']);
});

test('a reader who is frozen longer than the drain time is disconnected', async (t) => {
  const bed = await makeBed(t, { limits: { drainMs: 200 } });
  const device = bed.device();
  const [frozen, server] = [new RawClient(bed.delivery.port), new RawClient(bed.delivery.port)];
  await frozen.loginAs(device);
  await server.loginAsServer();
  await frozen.subscribe(`ota/v1/d/${device.name}/frm`);
  frozen.socket.pause();
  const payload = Buffer.alloc(16_384);
  while (!bed.delivery.metrics().denied.LINK_LOST) {
    for (let j = 0; j < 32; j++) server.publish(`ota/v1/d/${device.name}/frm`, payload);
    await eventually(() => server.socket.writableLength === 0);
  }
  await eventually(() => bed.delivery.metrics().loggedIn === 1);
  t.false(server.closed);
});

test('mqemitter overflows the stack with messages that wait; ours starts 20,000 of them in order', async (t) => {
  const wait = 20_000;
  const run = (emitter: mqemitter.MQEmitter) => {
    const order: number[] = [];
    let release: () => void = () => undefined;
    emitter.on('slow', (_message, done) => {
      release = done;
    });
    emitter.emit({ topic: 'slow' });
    for (let i = 0; i < wait; i++) emitter.emit({ topic: 'nobody' }, () => order.push(i));
    release();
    return order;
  };
  t.throws(() => run(mqemitter({ concurrency: 1 })), { instanceOf: RangeError });
  const order = run(flatEmitter(1));
  await eventually(() => order.length === wait);
  t.true(order.every((value, i) => value === i));
});

test('five thousand messages to nobody in one burst do not kill the broker', async (t) => {
  const bed = await makeBed(t);
  const device = bed.device();
  const [server, reader] = [new RawClient(bed.delivery.port), new RawClient(bed.delivery.port)];
  await server.loginAsServer();
  await reader.loginAs(device);
  await reader.subscribe(`ota/v1/d/${device.name}/frm`);
  server.socket.cork();
  for (let i = 0; i < 200; i++) server.publish(`ota/v1/d/${device.name}/frm`, 'x');
  for (let i = 0; i < 5_000; i++) server.publish(`ota/v1/d/${'00'.repeat(16)}/frm`, 'x');
  const last = server.publish(`ota/v1/d/${device.name}/frm`, 'last');
  server.socket.uncork();
  await reader.until(() => reader.messages().length === 201);
  t.is(reader.messages().at(-1)?.payload.toString(), 'last');
  t.true(last > 5_000);
  t.deepEqual(bed.errors, []);
});

// What it costs in memory is asked of a process of its own, in e2e/traps: this one has neighbours.
test('150 MB of CONNECT are refused at their header', async (t) => {
  const bed = await makeBed(t);
  const client = new RawClient(bed.delivery.port);
  client.socket.write(Buffer.concat([Buffer.from([0x10, 0x80, 0xcb, 0xc3, 0x47]), Buffer.alloc(60_000)]));
  let sent = 0;
  const chunk = Buffer.alloc(65_536);
  while (!client.closed && sent < 150_000_000) {
    sent += chunk.length;
    if (!client.socket.write(chunk)) {
      await new Promise((resolve) => {
        client.socket.once('drain', resolve);
        client.socket.once('close', resolve);
      });
    }
  }
  await client.ended();
  const { denied, bytesIn } = bed.delivery.metrics();
  t.deepEqual(denied, { TOO_LARGE: 1 });
  t.is(bytesIn, 0);
  t.true(sent < 150_000_000, `${sent} bytes were taken`);
});

test('sizes are bounded after the login too', async (t) => {
  const bed = await makeBed(t);
  const device = bed.device();
  const client = new RawClient(bed.delivery.port);
  await client.loginAs(device);
  client.publish(`ota/v1/d/${device.name}/status`, Buffer.alloc(4_096), { qos: 1 });
  await client.ended();
  const server = new RawClient(bed.delivery.port);
  await server.loginAsServer();
  server.publish(ANNOUNCE, Buffer.alloc(70_000), { qos: 1, retain: true });
  await server.ended();
  t.deepEqual(bed.delivery.metrics().denied, { TOO_LARGE: 2 });
});

test('a stranger who says nothing, or only a part of it, is sent away in time', async (t) => {
  const bed = await makeBed(t, { limits: { loginMs: 150 } });
  const [silent, slow] = [0, 1].map(() => new RawClient(bed.delivery.port)) as [RawClient, RawClient];
  slow.socket.write(Buffer.from([0x10, 0x20, 0, 4]));
  await Promise.all([silent, slow].map((client) => client.ended()));
  t.deepEqual(bed.delivery.metrics().denied, { UNAUTHORIZED: 2 });
  await eventually(() => bed.delivery.metrics().open === 0);
  // Whose first word is another has had time enough to say it, and is sent away for what it is.
  const patient = await makeBed(t);
  const wrong = new RawClient(patient.delivery.port);
  wrong.send({ cmd: 'pingreq' });
  await wrong.ended();
  t.deepEqual(patient.delivery.metrics().denied, { MALFORMED: 1 });
});

test('with TLS too: silence, garbage and a handshake that stops end in time and leave nothing open', async (t) => {
  const bed = await makeBed(t, { limits: { loginMs: 200 }, tls: { key: KEY, cert: CERT } });
  const clients = [0, 1, 2].map(() => new RawClient(bed.delivery.port)) as [RawClient, RawClient, RawClient];
  clients[1].socket.write(Buffer.alloc(2_000, 0xff));
  clients[2].socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
  await Promise.all(clients.map((client) => client.ended()));
  await eventually(() => bed.delivery.metrics().open === 0);
  t.like(bed.delivery.metrics(), { accepted: 3, bytesIn: 0, logins: 0 });
  t.deepEqual(bed.errors, []);
});

test('strangers fill only their own places at the door, and a login gives its place back', async (t) => {
  const bed = await makeBed(t, { limits: { strangersPerAddress: 2, connections: 4, loginMs: 120_000 } });
  const open = () => new RawClient(bed.delivery.port);
  const [a, b] = [open(), open()];
  await eventually(() => bed.delivery.metrics().open === 2);
  const third = open();
  await third.ended();
  await a.loginAs(bed.device());
  await b.loginAs(bed.device());
  const [c, d] = [open(), open()];
  await eventually(() => bed.delivery.metrics().open === 4);
  const fifth = open();
  await fifth.ended();
  t.deepEqual(bed.delivery.metrics().denied, { BUSY: 2 });
  for (const client of [a, b, c, d]) t.false(client.closed);
  c.close();
  await eventually(() => bed.delivery.metrics().open === 3);
  await open().loginAs(bed.device());
  t.is(bed.delivery.metrics().loggedIn, 3);
});

test('a device that floods is disconnected; one that is only fast is slowed down and heard in full', async (t) => {
  const bed = await makeBed(t, { limits: { packetsPerSecond: 1_000, packetsBurst: 100 } });
  const flood = new RawClient(bed.delivery.port);
  await flood.loginAs(bed.device());
  flood.socket.write(Buffer.from('c000'.repeat(20_000), 'hex'));
  await flood.ended();
  t.deepEqual(bed.delivery.metrics().denied, { RATE_LIMITED: 1 });

  const server = new RawClient(bed.delivery.port);
  await server.loginAsServer();
  await server.subscribe('ota/v1/d/+/req');
  const device = bed.device();
  const fast = new RawClient(bed.delivery.port);
  await fast.loginAs(device);
  const began = performance.now();
  for (let i = 0; i < 500; i++) {
    fast.publish(`ota/v1/d/${device.name}/req`, `${i}`);
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await server.until(() => server.messages().length === 500);
  fast.publish(`ota/v1/d/${device.name}/req`, 'last');
  await server.until(() => server.messages().length === 501);
  t.true(performance.now() - began > 390, '500 packets at 1000 a second with 100 at once take 0.4 s');
  t.is(server.messages().at(-1)?.payload.toString(), 'last');
  t.false(fast.closed);
});

test('changed and random packets, before and after the login, do no harm', (t) => fuzzBroker(t, 100, 1));

test('close stops listening and ends everybody, strangers and frozen readers too', async (t) => {
  const bed = await makeBed(t, { port: await freePort(), limits: { loginMs: 120_000 } });
  const clients = [0, 1, 2].map(() => new RawClient(bed.delivery.port));
  await clients[0]!.loginAs(bed.device());
  await clients[1]!.loginAs(bed.device());
  clients[1]!.socket.pause();
  await eventually(() => bed.delivery.metrics().open === 3);
  await bed.close();
  await Promise.all([clients[0]!.ended(), clients[2]!.ended()]);
  t.is(bed.delivery.metrics().open, 0);
  const again = await makeBed(t, { port: bed.delivery.port });
  await again.close();
});

test('it does not listen beyond loopback without TLS, nor on a port that is taken', async (t) => {
  const authenticate = async () => ({ role: 'distribution' }) as const;
  const options = { brokerId: BROKER_ID, authenticate };
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org']) {
    t.is(codeOf(await t.throwsAsync(createDelivery({ ...options, host }))), 'BAD_REQUEST', host);
  }
  const bed = await makeBed(t);
  t.is(codeOf(await t.throwsAsync(createDelivery({ ...options, port: bed.delivery.port }))), 'BAD_REQUEST');
  await bed.close();
  const aloud = await createDelivery({ ...options, host: '0.0.0.0', allowPlain: true });
  t.true(aloud.port > 0);
  await aloud.close();
});
