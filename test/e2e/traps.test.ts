/** What stops, floods or kills a plain aedes, done by strangers and by enrolled devices to a running `up`. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_LIMITS } from '@countersign/broker/distribution/delivery/limits';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { getProduct } from '@countersign/broker/face/client/releases';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import {
  ANNOUNCE,
  announceTopic,
  deviceTopic,
  encodeRequest,
  FRAMES,
  readAnnouncement,
  readAnswer,
  readEnvelope,
  readManifest,
  unhex,
  WINDOW_MAX,
} from '@countersign/device-sdk/format';
import { firstPeople, open, type People } from '@countersign/simulator/scenario/people';
import test, { type ExecutionContext } from 'ava';
import { eventually, makeDevice, RawClient, type TestDevice } from '../broker/delivery-bed.ts';
import { type Up, up } from '../support/command.ts';
import { residentBytes } from '../support/process.ts';

const PRODUCT = 'sensor-node';
const RELEASE = `${PRODUCT}@1.0.0`;
/** When a test gives up. That a frozen reader delays nobody, not by his drain time, is shown where that is a minute. */
const SERVED_MS_MAX = 120_000;
/** Between two requests of the honest device, which has to keep to its own limits. */
const PAUSE_MS = 40;
/** The kernel takes 4 MB for a reader who froze, which is three seconds' worth; then he has three more. A busy machine takes longer. */
const FROZEN_MS_MAX = 240_000;
/** What a trap may cost `up` for good. Without bounds it was 150 MB and more. */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;

test.beforeEach((t) => t.timeout(300_000));

let running: Up;
let session: Session;
let people: People;
let port: number;
let announce: string;
/** What the class is told, as the server published it. */
let announced: Buffer;
/** The full image of the release, to fetch. */
let chainHead: Uint8Array;
let honest: RawClient;
let honestDevice: TestDevice;
let frozen: RawClient[] = [];
let requests = 0;

test.before('a server with a rollout, and an honest device that has heard of it', async () => {
  running = await up('--port', '0', '--mqtt-port', '0');
  const { url, token, mqtt, data } = running.ready;
  port = Number(new URL(mqtt).port);
  session = await openSession(apiClient(url, token!));
  people = await firstPeople(data);
  const { classId } = await getProduct(session, PRODUCT);
  announce = announceTopic(unhex(classId)!);
  await open(session, people, RELEASE, {});
  [honestDevice] = (await enrol(1)) as [TestDevice];
  honest = await login(honestDevice);
  announced = await hearAnnouncement(honest);
  const { manifest } = readEnvelope(session.verifier.sha256, readAnnouncement(announced).envelope);
  chainHead = readManifest(manifest).branches.at(-1)!.payload.chainHead;
});

test.after.always(() => running?.stop('SIGKILL'));

test.serial('readers who freeze while they ask for more delay nobody', async (t) => {
  const devices = await enrol(2);
  frozen = await Promise.all(devices.map((device) => login(device)));
  for (const [i, client] of frozen.entries()) {
    await client.subscribe(deviceTopic(devices[i]!.id, 'frm'));
    await client.subscribe(announce, 1);
    client.socket.pause();
    askWithoutEnd(client, deviceTopic(devices[i]!.id, 'req'));
  }
  for (let n = 0; n < 20; n++) {
    await served(t);
    await sleep(PAUSE_MS);
  }
});

test.serial(
  'thousands of messages to topics nobody hears end the connection that sent them, not the server',
  async (t) => {
    const devices = await enrol(8);
    const before = residentBytes(running.ready.pid);
    const foreign = await Promise.all(devices.slice(0, 2).map((device) => login(device)));
    for (const client of foreign) {
      client.socket.cork();
      for (let i = 0; i < 2_500; i++) client.publish('nobody/hears/this', 'x');
      client.socket.uncork();
    }
    const loud = await Promise.all(devices.slice(2).map((device) => login(device)));
    for (const [i, client] of loud.entries()) {
      client.socket.cork();
      for (let n = 0; n < 500; n++) client.publish(deviceTopic(devices[2 + i]!.id, 'status'), 'no report');
      client.socket.uncork();
    }
    const early = new RawClient(port);
    for (let i = 0; i < 2_500; i++) early.publish('nobody/hears/this', 'x');
    for (const client of [...foreign, early]) await client.ended();
    await served(t);
    for (const client of loud) client.close();
    await bounded(t, before);
  },
);

test.serial('a CONNECT of 150 MB before any login is cut off and costs no memory', async (t) => {
  const before = residentBytes(running.ready.pid);
  const client = new RawClient(port);
  client.socket.write(Buffer.from([0x10, 0x80, 0xcb, 0xc3, 0x47]));
  const chunk = Buffer.alloc(1_048_576);
  let sent = 0;
  for (; !client.closed && sent < 150; sent++) {
    if (client.socket.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      client.socket.once('drain', resolve);
      client.socket.once('close', resolve);
    });
  }
  await client.ended();
  t.true(sent < 150, `${sent} MB were taken`);
  await served(t);
  await bounded(t, before);
});

test.serial('a device hears its own topics and its class, and no name for more of them helps', async (t) => {
  const [device, other] = (await enrol(2)) as [TestDevice, TestDevice];
  const client = await login(device);
  const forbidden = ['$SYS/#', '$SYS/+/clients', '#', '+/#', 'ota/v1/#', 'ota/v1/d/+/cmd', 'ota/v1/c/+/announce'];
  const shared = [`$share/group/${announce}`, `$share/g/${deviceTopic(other.id, 'frm')}`, '$share/g/#', '$share'];
  const others = [deviceTopic(other.id, 'frm'), deviceTopic(other.id, 'cmd'), deviceTopic(device.id, 'status')];
  for (const filter of [...forbidden, ...shared, ...others]) t.is(await client.subscribe(filter), 0x80, filter);
  t.is(await client.subscribe(deviceTopic(device.id, 'cmd'), 1), 1);
  t.is(client.count, 0);
  client.close();
});

test.serial('a device that retains, or speaks where it may not, is disconnected and nothing of it stays', async (t) => {
  const [device, other] = (await enrol(2)) as [TestDevice, TestDevice];
  const own = deviceTopic(device.id, 'status');
  const attempts: [string, boolean][] = [
    [own, true],
    [announce, true],
    [announce, false],
    ['ota/v1/log/head', true],
    ['$SYS/countersign/clients', false],
    [deviceTopic(other.id, 'status'), false],
    [deviceTopic(other.id, 'frm'), false],
    [deviceTopic(device.id, 'cmd'), false],
  ];
  const neighbour = await login(other);
  for (const channel of ['frm', 'cmd'] as const) await neighbour.subscribe(deviceTopic(other.id, channel));
  for (const [topic, retain] of attempts) {
    const client = await login(device);
    client.publish(topic, 'forged', { retain });
    await client.ended();
  }
  t.deepEqual(await hearAnnouncement(neighbour), announced, "the retained announcement is the server's own");
  t.is(neighbour.count, 1);
  neighbour.close();
  await served(t);
});

test.serial('a crowd that connects and never logs in fills its own places only', async (t) => {
  const before = residentBytes(running.ready.pid);
  const crowd = Array.from({ length: 1_200 }, (_, i) => {
    const client = new RawClient(port);
    if (i % 2) client.socket.write(Buffer.from([0x10, 0x20, 0, 4]));
    return client;
  });
  const web = Array.from({ length: 100 }, () => halfRequest(new URL(running.ready.url)));
  const [device] = (await enrol(1)) as [TestDevice];
  await served(t);
  const places = DEFAULT_LIMITS.strangersPerAddress;
  await eventually(() => crowd.filter((client) => client.closed).length >= crowd.length - places);
  if (process.platform === 'linux') {
    const elsewhere = await login(device, '127.0.0.2');
    t.deepEqual(await hearAnnouncement(elsewhere), announced, 'from another address the door is open');
    elsewhere.close();
  } else t.log('only Linux has other addresses of its own to come from: the login beside the crowd is left out');
  for (const client of crowd) client.close();
  for (const socket of web) socket.destroy();
  await t.notThrowsAsync(loginSoon(device), 'the places are free again');
  await bounded(t, before);
});

test.serial('those who froze have lost their connections, and only they', async (t) => {
  await Promise.race([Promise.all(frozen.map((client) => client.ended())), patience(FROZEN_MS_MAX)]);
  t.deepEqual(
    frozen.map((client) => client.closed),
    [true, true],
  );
  await served(t);
});

test.serial(
  'after all of it an honest device hears of what is new, and `up` stops cleanly at Ctrl-C beside those who stay',
  async (t) => {
    t.false(honest.closed, 'the honest device was never disconnected');
    const [device] = (await enrol(1)) as [TestDevice];
    const fresh = await login(device);
    t.deepEqual(await hearAnnouncement(fresh), announced);
    const heard = honest.count;
    await open(session, people, RELEASE, {});
    await honest.until(() =>
      honest
        .messages()
        .slice(heard)
        .some(({ topic }) => topic === announce),
    );

    const [silent, half] = [new RawClient(port), new RawClient(port)];
    half.socket.write(Buffer.from([0x10, 0x20, 0, 4]));
    const web = halfRequest(new URL(running.ready.url));
    fresh.socket.pause();
    t.true(existsSync(running.ready.data));
    const { code, stderr } = await running.stop('SIGINT');
    const faults = stderr.split('\n').filter((line) => line.startsWith('{'));
    t.deepEqual([code, faults], [0, []]);
    t.false(existsSync(running.ready.data), 'without --data everything is gone at the end');
    for (const client of [silent, half, fresh]) client.close();
    web.destroy();
  },
);

/** The API answers, and so does the distribution server to the honest device. */
async function served(t: ExecutionContext): Promise<void> {
  const response = await fetch(`${running.ready.url}/healthz`);
  t.deepEqual([response.status, ((await response.json()) as { ok: boolean }).ok], [200, true]);
  const id = ++requests;
  const heard = honest.heard.length;
  honest.publish(deviceTopic(honestDevice.id, 'req'), Buffer.from(encodeRequest({ id, kind: ANNOUNCE })), { qos: 1 });
  const answered = () => honest.heard.slice(heard).some((packet) => isAnswer(packet, id));
  await Promise.race([honest.until(() => honest.closed || answered()), patience(SERVED_MS_MAX)]);
  t.true(answered(), 'the honest device is answered');
}

/** Asks for a megabyte a second and more, as much as one device gets, and reads none of it. */
function askWithoutEnd(client: RawClient, topic: string): void {
  const request = Buffer.from(encodeRequest({ id: 1, kind: FRAMES, chainHead, first: 0, count: WINDOW_MAX }));
  const timer = setInterval(() => {
    for (let n = 0; n < 4; n++) client.publish(topic, request);
  }, PAUSE_MS);
  client.socket.once('close', () => clearInterval(timer));
}

/** A time limit that does not keep the test running when it is not needed. */
function patience(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false });
}

function isAnswer(packet: RawClient['heard'][number], id: number): boolean {
  if (packet.cmd !== 'publish' || packet.topic !== deviceTopic(honestDevice.id, 'frm')) return false;
  return readAnswer(new Uint8Array(packet.payload as Buffer)).id === id;
}

/** What is only waiting to be collected is not kept for good: it is looked at until it has gone. */
async function bounded(t: ExecutionContext, before: number | undefined): Promise<void> {
  if (before === undefined) {
    t.log('there is no /proc here: memory is not looked at');
    return;
  }
  const grown = () => residentBytes(running.ready.pid)! - before;
  for (const end = Date.now() + SERVED_MS_MAX; grown() >= GROWTH_BYTES_MAX && Date.now() < end; ) {
    await served(t);
    await sleep(PAUSE_MS);
  }
  t.true(grown() < GROWTH_BYTES_MAX, `memory grew by ${grown()} bytes`);
}

/** Real devices: a key each, on the record, with logins for this server. */
async function enrol(count: number): Promise<TestDevice[]> {
  const devices = Array.from({ length: count }, () => {
    const made = makeDevice();
    const brokerId = session.endpoints.brokerId!;
    return { ...made, login: (change = {}) => made.login({ brokerId, ...change }) };
  });
  const named = devices.map(({ id, record }) => ({ id, key: record.key }));
  await enrolDevices(session, people.operator, PRODUCT, named);
  return devices;
}

async function login(device: TestDevice, from?: string): Promise<RawClient> {
  const client = new RawClient(port, from);
  await client.loginAs(device);
  if (device === honestDevice) await client.subscribe(deviceTopic(device.id, 'frm'));
  return client;
}

/** The server learns a moment later that connections have ended. */
async function loginSoon(device: TestDevice): Promise<void> {
  for (const end = Date.now() + SERVED_MS_MAX; ; ) {
    try {
      (await login(device)).close();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

async function hearAnnouncement(client: RawClient): Promise<Buffer> {
  await client.subscribe(announce, 1);
  const isIt = ({ topic }: { topic: string }) => topic === announce;
  await client.until(() => client.closed || client.messages().some(isIt));
  return client.messages().find(isIt)!.payload;
}

/** A request to the API that is begun and never ended. */
function halfRequest({ hostname, port: at }: URL) {
  const socket = connect(Number(at), hostname);
  socket.on('error', () => undefined);
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
  return socket;
}
