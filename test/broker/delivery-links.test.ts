/** Both links of the SDK, mqtt.js and the simulator's, against the real broker: one table, the same behaviour. */
import { createServer } from 'node:net';
import { rootCertificates } from 'node:tls';
import { connectDelivery } from '@countersign/broker/distribution/delivery/client';
import type { DeviceRecord } from '@countersign/broker/distribution/delivery/login';
import type { DeliveryPort } from '@countersign/broker/distribution/delivery/port';
import { codeOf, type Link } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { mqttLink } from '@countersign/device-sdk/host/mqtt';
import type { LinkFault, LinkFaults } from '@countersign/simulator/world/link-faults';
import { tcpLink } from '@countersign/simulator/world/tcp-link';
import test, { type ExecutionContext } from 'ava';
import { generate, parser } from 'mqtt-packet';
import { freePort } from '../support/ports.ts';
import { type Bed, CLASS_ID, eventually, makeBed, makeDevice, SECRET, type TestDevice } from './delivery-bed.ts';
import { CERT, KEY } from './delivery-certificate.ts';

const BACKOFF = { firstMs: 20, longestMs: 100, stableMs: 1_000 };

type Make = (port: number, device: TestDevice, trouble?: (error: unknown) => void) => Link;
const LINKS: [string, Make][] = [
  [
    'mqttLink',
    (port, { id }, trouble) =>
      mqttLink({
        url: `mqtt://127.0.0.1:${port}`,
        deviceId: id,
        classId: CLASS_ID,
        backoff: BACKOFF,
        ...(trouble && { trouble }),
      }),
  ],
  [
    'tcpLink',
    (port, { id }, trouble) =>
      tcpLink({
        host: '127.0.0.1',
        port,
        deviceId: id,
        classId: CLASS_ID,
        backoff: BACKOFF,
        ...(trouble && { trouble }),
      }),
  ],
];

/** Everything that a link tells, in order. */
class Ear {
  readonly told: string[] = [];
  up(): void {
    this.told.push('up');
  }
  down(): void {
    this.told.push('down');
  }
  announcement(bytes: Uint8Array): void {
    this.told.push(`announcement ${Buffer.from(bytes)}`);
  }
  answer(bytes: Uint8Array): void {
    this.told.push(`answer ${Buffer.from(bytes)}`);
  }
  command(bytes: Uint8Array): void {
    this.told.push(`command ${Buffer.from(bytes)}`);
  }
  async hears(what: string, times = 1): Promise<void> {
    await eventually(() => this.told.filter((item) => item === what).length >= times);
  }
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

async function serverOf(t: ExecutionContext, bed: Bed): Promise<DeliveryPort> {
  const server = await connectDelivery(bed.delivery.url, { password: SECRET }, { backoff: BACKOFF });
  t.teardown(() => server.close());
  return server;
}

for (const [name, make] of LINKS) {
  test(`${name}: requests, answers, commands, reports and the retained announcement arrive`, async (t) => {
    const bed = await makeBed(t);
    const server = await serverOf(t, bed);
    server.onRequest((id, message) => server.send(id, 'frm', bytes(`to ${Buffer.from(message)}`)));
    const reports: string[] = [];
    server.onReport((id, message) => void reports.push(`${hex(id)} ${Buffer.from(message)}`));
    t.true(await server.publishAnnouncement(CLASS_ID, bytes('release 1')));
    const device = bed.device();
    const link = make(bed.delivery.port, device);
    t.teardown(() => link.close());
    const ear = new Ear();
    link.open(ear, () => device.login());
    await ear.hears('announcement release 1');
    t.deepEqual(ear.told, ['up', 'announcement release 1']);
    await link.request(bytes('frame 7'));
    await ear.hears('answer to frame 7');
    await link.report(bytes('installed'));
    await eventually(() => reports.length === 1);
    t.deepEqual(reports, [`${device.name} installed`]);
    await server.send(device.id, 'cmd', bytes('ask'));
    await ear.hears('command ask');
    await server.publishAnnouncement(CLASS_ID, bytes('release 2'));
    await ear.hears('announcement release 2');
    t.is(codeOf(await t.throwsAsync(link.request(new Uint8Array(129)))), 'TOO_LARGE');
    t.is(codeOf(await t.throwsAsync(link.report(new Uint8Array(2_000)))), 'TOO_LARGE');
    await link.close();
    await eventually(() => bed.delivery.metrics().loggedIn === 1);
    t.is(codeOf(await t.throwsAsync(link.request(bytes('late')))), 'LINK_LOST');
    t.deepEqual(bed.delivery.metrics().denied, {});
  });

  test(`${name}: it comes back with a fresh login after each loss, and after a restart of the broker`, async (t) => {
    const devices = new Map<string, DeviceRecord>();
    const bed = await makeBed(t, { devices, port: await freePort() });
    const server = await serverOf(t, bed);
    await server.publishAnnouncement(CLASS_ID, bytes('release 1'));
    const device = bed.device();
    const link = make(bed.delivery.port, device);
    t.teardown(() => link.close());
    const ear = new Ear();
    link.open(ear, () => device.login());
    t.is(codeOf(await t.throwsAsync(link.request(bytes('early')))), 'LINK_LOST');
    await ear.hears('announcement release 1', 1);
    bed.delivery.disconnect(device.id);
    await ear.hears('announcement release 1', 2);
    await bed.close();
    await ear.hears('down', 2);
    await eventually(() => !server.connected);
    t.is(codeOf(await t.throwsAsync(link.report(bytes('x')))), 'LINK_LOST');
    t.is(codeOf(await t.throwsAsync(server.send(device.id, 'frm', bytes('x')))), 'LINK_LOST');
    t.false(await server.publishAnnouncement(CLASS_ID, bytes('release 2')));
    // The new broker retained nothing: the server's client tells it again.
    await makeBed(t, { devices, port: bed.delivery.port });
    await ear.hears('announcement release 2');
    t.deepEqual(
      ear.told.filter((item) => !item.startsWith('announcement')),
      ['up', 'down', 'up', 'down', 'up'],
    );
    t.true(device.counter >= 4);
    await link.close();
  });

  test(`${name}: a refused login is tried again with a new one, and told`, async (t) => {
    const bed = await makeBed(t);
    const stranger = makeDevice();
    const troubles: unknown[] = [];
    const link = make(bed.delivery.port, stranger, (error) => troubles.push(error));
    t.teardown(() => link.close());
    const ear = new Ear();
    link.open(ear, () => stranger.login());
    await eventually(() => troubles.length >= 3);
    await link.close();
    t.deepEqual([...new Set(troubles.map(codeOf))], ['UNAUTHORIZED']);
    t.deepEqual(ear.told, []);
    t.true(stranger.counter >= 4);
  });

  test(`${name}: no broker, a broker that breaks off and one that floods are lost links, not errors`, async (t) => {
    const behaviours = [
      'close',
      // CONNACK, then a message of 100 MB is announced.
      Buffer.from([0x20, 2, 0, 0, 0x30, 0x80, 0xc2, 0xd7, 0x2f, 0]),
      Buffer.from([0x20, 2, 0, 0, 0xf0, 2, 0, 0]),
      Buffer.from([0x20, 2, 0, 3]),
      generate({ cmd: 'suback', messageId: 1, granted: [128] }),
      Buffer.alloc(64, 0xff),
    ];
    let connections = 0;
    const liar = createServer((socket) => {
      const behaviour = behaviours[connections++ % behaviours.length]!;
      socket.on('error', () => undefined);
      if (typeof behaviour === 'string') socket.destroy();
      else socket.once('data', () => socket.end(behaviour));
    });
    const port = await freePort();
    await new Promise<void>((resolve) => liar.listen(port, '127.0.0.1', resolve));
    const device = makeDevice();
    const troubles: unknown[] = [];
    const link = make(port, device, (error) => troubles.push(error));
    t.teardown(() => link.close());
    const ear = new Ear();
    link.open(ear, () => device.login());
    await eventually(() => troubles.length >= 2 * behaviours.length);
    liar.close();
    const before = troubles.length;
    await eventually(() => troubles.length >= before + 2);
    await link.close();
    t.deepEqual([...new Set(troubles.map(codeOf))], ['LINK_LOST']);
    t.deepEqual(ear.told, []);
  });
}

for (const [name, make] of LINKS) {
  test(`${name}: a broker that refuses a subscription is told as that`, async (t) => {
    const liar = createServer((socket) => {
      const codec = parser({ protocolVersion: 4 });
      codec.on('packet', (packet) => {
        if (packet.cmd === 'connect') {
          socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
        } else if (packet.cmd === 'subscribe') {
          const { messageId } = packet;
          socket.write(generate({ cmd: 'suback', granted: [0, 128, 1], ...(messageId && { messageId }) }));
        }
      });
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => codec.parse(chunk));
    });
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    t.teardown(() => liar.close());
    const device = makeDevice();
    const troubles: unknown[] = [];
    const link = make((liar.address() as { port: number }).port, device, (error) => troubles.push(error));
    t.teardown(() => link.close());
    const ear = new Ear();
    link.open(ear, () => device.login());
    await eventually(() => troubles.length >= 2);
    await link.close();
    t.deepEqual([...new Set(troubles.map(codeOf))], ['NOT_PERMITTED']);
    t.deepEqual(ear.told, []);
  });
}

test('mqttLink over TLS, and not with a certificate nobody vouches for', async (t) => {
  const bed = await makeBed(t, { tls: { key: KEY, cert: CERT } });
  const server = await connectDelivery(bed.delivery.url, { password: SECRET, tls: { ca: CERT } });
  t.teardown(() => server.close());
  await server.publishAnnouncement(CLASS_ID, bytes('release 1'));
  const device = bed.device();
  const options = { url: bed.delivery.url, deviceId: device.id, classId: CLASS_ID, backoff: BACKOFF };
  const troubles: unknown[] = [];
  const careful = mqttLink({ ...options, trouble: (error) => troubles.push(error) });
  t.teardown(() => careful.close());
  const nothing = new Ear();
  careful.open(nothing, () => device.login());
  await eventually(() => troubles.length >= 2);
  await careful.close();
  t.deepEqual([...new Set(troubles.map(codeOf))], ['LINK_LOST']);
  t.deepEqual(nothing.told, []);
  const link = mqttLink({ ...options, tls: { ca: CERT } });
  t.teardown(() => link.close());
  const ear = new Ear();
  link.open(ear, () => device.login());
  await ear.hears('announcement release 1');
  t.deepEqual(bed.delivery.metrics().denied.UNAUTHORIZED, undefined);
});

test('the distribution server is refused with a wrong secret, and told when nobody is there', async (t) => {
  const bed = await makeBed(t, { port: await freePort() });
  const wrong = connectDelivery(bed.delivery.url, { password: `${SECRET}?` });
  t.is(codeOf(await t.throwsAsync(wrong)), 'UNAUTHORIZED');
  await bed.close();
  t.is(codeOf(await t.throwsAsync(connectDelivery(bed.delivery.url, { password: SECRET }))), 'LINK_LOST');
});

test('a device that floods the server takes its own places in the queue only', async (t) => {
  const bed = await makeBed(t, { limits: { packetsBurst: 1_000, packetsPerSecond: 1_000 } });
  const options = { inbound: { waitingPerDevice: 4, atOnce: 1 } };
  const server = await connectDelivery(bed.delivery.url, { password: SECRET }, options);
  t.teardown(() => server.close());
  const served: string[] = [];
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  server.onRequest(async (_id, message) => {
    served.push(`${Buffer.from(message)}`);
    await gate;
    if (served.length === 2) throw new Error('a handler that fails');
  });
  const [flood, honest] = [bed.device(), bed.device()];
  const [a, b] = [flood, honest].map((d) => LINKS[1]![1](bed.delivery.port, d)) as [Link, Link];
  const [earA, earB] = [new Ear(), new Ear()];
  a.open(earA, () => flood.login());
  b.open(earB, () => honest.login());
  t.teardown(() => Promise.all([a.close(), b.close()]));
  await earA.hears('up');
  await earB.hears('up');
  for (let i = 0; i < 100; i++) await a.request(bytes(`flood ${i}`));
  await eventually(() => server.counts().dropped === 95);
  // One is being served and four wait. The fifth of the honest one has no place: then its first four are here.
  for (let i = 0; i < 5; i++) await b.request(bytes(`honest ${i}`));
  await eventually(() => server.counts().dropped === 96);
  release();
  await eventually(() => served.length === 9);
  t.deepEqual(served.slice(0, 5), ['flood 0', 'flood 1', 'honest 0', 'flood 2', 'honest 1']);
  t.like(server.counts(), { received: 9, dropped: 96, failed: 1, connects: 1 });
});

test('faults of the simulated network happen where they are decided, and nowhere else', async (t) => {
  const bed = await makeBed(t);
  const server = await serverOf(t, bed);
  const asked: string[] = [];
  server.onRequest((id, message) => {
    asked.push(`${Buffer.from(message)}`);
    return server.send(id, 'frm', message);
  });
  const device = bed.device();
  const decided = new Map<string, LinkFault>([
    ['connect 0', { kind: 'drop' }],
    ['send 2', { kind: 'lose' }],
    ['send 3', { kind: 'delay', ms: 60 }],
    ['send 5', { kind: 'corrupt', at: 7, mask: 0x03 }],
  ]);
  const events: string[] = [];
  const faults: LinkFaults = ({ kind, number }) => {
    events.push(`${kind} ${number}`);
    return decided.get(`${kind} ${number}`);
  };
  const link = tcpLink({
    host: '127.0.0.1',
    port: bed.delivery.port,
    deviceId: device.id,
    classId: CLASS_ID,
    backoff: BACKOFF,
    faults,
  });
  t.teardown(() => link.close());
  const ear = new Ear();
  link.open(ear, () => device.login());
  await ear.hears('up');
  await Promise.all(['request2', 'request3', 'request4', 'request5'].map((text) => link.request(bytes(text))));
  await eventually(() => asked.length === 3);
  t.deepEqual(asked, ['request3', 'request4', 'request6'], 'one lost, one late and nothing before it, one changed');
  t.deepEqual(events.slice(0, 6), ['connect 0', 'connect 1', 'send 2', 'send 3', 'send 4', 'send 5']);
  await ear.hears('answer request6');
  decided.set(`send ${events.length}`, { kind: 'drop' });
  t.is(codeOf(await t.throwsAsync(link.request(bytes('cut')))), 'LINK_LOST');
  await ear.hears('up', 2);
  await link.request(bytes('again'));
  await ear.hears('answer again');
});

test('a pinned certificate is compared and not verified, and nothing is sent to another one', async (t) => {
  const bed = await makeBed(t, { tls: { key: KEY, cert: CERT } });
  const url = `mqtts://127.0.0.1:${bed.delivery.port}`;
  const server = await connectDelivery(url, { password: SECRET, pin: CERT });
  t.true(server.connected);
  await server.close();
  const other = connectDelivery(url, { password: SECRET, pin: rootCertificates[0]! });
  t.is(await other.then(() => 'none', codeOf), 'LINK_LOST');
  t.is(bed.delivery.metrics().packetsIn, 2, 'the login and the subscription of the first');
});
