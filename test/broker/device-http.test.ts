/** Devices without MQTT: the SDK's link over HTTP against the real door, and strangers at it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memoryLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { Door } from '@countersign/broker/distribution/delivery/door';
import { type DeviceRecord, deviceGate } from '@countersign/broker/distribution/delivery/login';
import { silentLog } from '@countersign/broker/distribution/ports';
import { closeApi } from '@countersign/broker/face/api/app';
import { createDeviceApi, type DeviceApiOptions } from '@countersign/broker/face/api/device-api';
import { Refusal } from '@countersign/device-sdk';
import {
  ANNOUNCE,
  encodeAnswer,
  encodeRequest,
  FRAMES,
  hex,
  makeFrames,
  REFUSED,
  readAnswer,
  readRequest,
} from '@countersign/device-sdk/format';
import { httpLink } from '@countersign/device-sdk/host/http';
import { readSession } from '@countersign/device-sdk/host/http-format';
import test, { type ExecutionContext } from 'ava';
import { FakeDelivery } from '../support/fake-delivery.ts';
import { freePort } from '../support/ports.ts';
import { BROKER_ID, CLASS_ID, eventually, makeDevice, type TestDevice, verifier } from './delivery-bed.ts';
import { CERT, KEY } from './delivery-certificate.ts';

const BACKOFF = { firstMs: 20, longestMs: 100, stableMs: 1_000 };
const { frames, payload } = makeFrames(
  verifier.sha256,
  new Uint8Array(5_000).map((_, i) => i & 255),
  256,
);
const link = (url: string, { id }: TestDevice, more: object = {}) =>
  httpLink({ url, deviceId: id, classId: CLASS_ID, backoff: BACKOFF, ...more });

interface House {
  door: Door;
  mqtt: FakeDelivery;
  url: string;
  reports: Uint8Array[];
  device(): TestDevice;
  restart(): Promise<void>;
}

async function house(t: ExecutionContext, more: Partial<DeviceApiOptions> = {}): Promise<House> {
  const devices = new Map<string, DeviceRecord>();
  const mqtt = new FakeDelivery();
  const counters = memoryLoginCounters();
  const authenticate = deviceGate({
    brokerId: BROKER_ID,
    device: async (id) => devices.get(hex(id)),
    counters,
    verifier,
  });
  const reports: Uint8Array[] = [];
  const open = async (port: number) => {
    const door = new Door({ mqtt, authenticate });
    door.onRequest(async (id, bytes) => {
      const { id: number, kind } = readRequest(bytes);
      await new Promise((resolve) => setImmediate(resolve));
      await door.send(
        id,
        'frm',
        encodeAnswer(
          kind === ANNOUNCE
            ? { id: number, kind, announcement: null, membership: null }
            : { id: number, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 9 },
        ),
      );
    });
    door.onReport(async (id, bytes) => {
      reports.push(bytes);
      await door.send(id, 'cmd', Uint8Array.of(reports.length));
    });
    const app = createDeviceApi({
      door,
      async payload(chainHead) {
        if (hex(chainHead) !== hex(payload.chainHead)) throw new Refusal('NOT_FOUND', 'no such payload');
        return { payload, frames };
      },
      log: silentLog,
      ...more,
    });
    await app.listen({ host: '127.0.0.1', port });
    return { door, app };
  };
  const port = await freePort();
  let { door, app } = await open(port);
  const end = async () => {
    door.endAll();
    await closeApi(app);
  };
  t.teardown(end);
  return {
    mqtt,
    reports,
    get door() {
      return door;
    },
    url: `${more.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    device() {
      const device = makeDevice();
      devices.set(device.name, device.record);
      return device;
    },
    async restart() {
      await end();
      ({ door, app } = await open(port));
    },
  };
}

function ear(told: string[], answers: Uint8Array[] = []) {
  return {
    up: () => void told.push('up'),
    down: () => void told.push('down'),
    announcement: (bytes: Uint8Array) => void told.push(`announcement ${bytes[0]}`),
    answer: (bytes: Uint8Array) => void answers.push(bytes),
    command: (bytes: Uint8Array) => void told.push(`command ${bytes[0]}`),
  };
}

test('a device hears, asks, fetches frames by range, reports and is acknowledged, without MQTT', async (t) => {
  const h = await house(t, { tls: { key: KEY, cert: CERT } });
  const device = h.device();
  await h.door.publishAnnouncement(CLASS_ID, Uint8Array.of(7));
  const own = link(h.url, device, { tls: { ca: CERT } });
  t.teardown(() => own.close());
  const [told, answers]: [string[], Uint8Array[]] = [[], []];
  own.open(ear(told, answers), () => device.login());
  await eventually(() => told.length === 2);
  t.deepEqual(told, ['up', 'announcement 7']);

  await own.request(encodeRequest({ id: 1, kind: ANNOUNCE }));
  t.deepEqual(
    answers.map((bytes) => readAnswer(bytes).kind),
    [ANNOUNCE],
  );
  for (const [first, count] of [
    [0, 4],
    [4, 32],
    [19, 4],
    [40, 4],
  ] as const) {
    answers.length = 0;
    await own.request(encodeRequest({ id: 2, kind: FRAMES, chainHead: payload.chainHead, first, count }));
    const found = answers.map((bytes) => readAnswer(bytes));
    t.deepEqual(
      found.map((answer) => (answer.kind === FRAMES ? answer.index : -1)),
      indexes(first, count),
    );
    for (const answer of found) if (answer.kind === FRAMES) t.deepEqual(answer.frame, frames[answer.index]);
  }
  answers.length = 0;
  await own.request(encodeRequest({ id: 3, kind: FRAMES, chainHead: new Uint8Array(32), first: 0, count: 1 }));
  t.like(readAnswer(answers[0]!), { id: 3, kind: REFUSED, code: 'NOT_FOUND' });

  await own.report(new Uint8Array(300));
  await eventually(() => told.includes('command 1'));
  await h.door.publishAnnouncement(CLASS_ID, Uint8Array.of(8));
  await h.door.publishAnnouncement(new Uint8Array(16), Uint8Array.of(9));
  await eventually(() => told.includes('announcement 8'));
  t.false(told.includes('announcement 9'), 'another class');
  t.deepEqual(
    h.mqtt.sent.map(({ channel }) => channel),
    ['cmd'],
    'answers go the way of their requests, messages both',
  );
});

function indexes(first: number, count: number): number[] {
  return Array.from({ length: Math.max(0, Math.min(count, frames.length - first)) }, (_, i) => first + i);
}

test('a server that comes back is logged in to anew, and tells its announcement again', async (t) => {
  const h = await house(t);
  const device = h.device();
  const own = link(h.url, device);
  t.teardown(() => own.close());
  const told: string[] = [];
  own.open(ear(told), () => device.login());
  await eventually(() => told.length === 1);
  await h.restart();
  await h.door.publishAnnouncement(CLASS_ID, Uint8Array.of(5));
  await eventually(() => told.length === 4);
  t.deepEqual(told, ['up', 'down', 'up', 'announcement 5']);
});

test('a message stays until the device has said that it heard it', async (t) => {
  const h = await house(t);
  const device = h.device();
  const token = readSession((await post(h, device, 'login', await device.login())).body).token;
  for (let i = 1; i <= 20; i++) await h.door.send(device.id, 'cmd', Uint8Array.of(i));
  const session = h.door.session(token, device.name);
  const first = await h.door.messages(session, 0, 10);
  t.is(first.length, 8, 'what finds no place is dropped: the device asks or reports again');
  t.is((await h.door.messages(session, 3, 10)).length, 5);
  t.is((await h.door.messages(session, 8, 10)).length, 0);
  h.door.disconnect(device.id);
  t.throws(() => h.door.session(token, device.name), { instanceOf: Refusal, code: 'UNAUTHORIZED' });
});

async function post(h: House, device: TestDevice, what: string, body: Uint8Array, token?: string) {
  return call(`${h.url}/ota/v1/d/${device.name}/${what}`, { method: 'POST', body, ...(token && { token }) });
}

async function call(
  url: string,
  { method = 'GET', body, token, range }: { method?: string; body?: Uint8Array; token?: string; range?: string },
) {
  const response = await fetch(url, {
    method,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(range && { range }) },
    ...(body && { body: new Uint8Array(body) }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const code = response.status >= 400 ? JSON.parse(new TextDecoder().decode(bytes)).code : response.status;
  return { code, body: bytes };
}

test('strangers, other devices and wrong words are refused with their code', async (t) => {
  const h = await house(t);
  const [device, other] = [h.device(), h.device()];
  const statement = await device.login();
  const token = hex(readSession((await post(h, device, 'login', statement)).body).token);
  const ask = encodeRequest({ id: 1, kind: ANNOUNCE });
  const rows: [string, Promise<{ code: unknown }>, unknown][] = [
    ['a login twice', post(h, device, 'login', statement), 'BAD_COUNTER'],
    ['a login of another device', post(h, other, 'login', await device.login()), 'BAD_STATEMENT'],
    ['a login of nobody', post(h, makeDevice(), 'login', await makeDevice().login()), 'BAD_STATEMENT'],
    ['a long login', post(h, device, 'login', new Uint8Array(600)), 'TOO_LARGE'],
    ['no token', post(h, device, 'req', ask), 'UNAUTHORIZED'],
    ['an invented token', post(h, device, 'req', ask, hex(new Uint8Array(32))), 'UNAUTHORIZED'],
    ["another's token", post(h, other, 'req', ask, token), 'NOT_PERMITTED'],
    ['no request', post(h, device, 'req', Uint8Array.of(0xff), token), 'MALFORMED'],
    [
      'frames without a range',
      post(
        h,
        device,
        'req',
        encodeRequest({ id: 1, kind: FRAMES, chainHead: payload.chainHead, first: 0, count: 1 }),
        token,
      ),
      'UNSUPPORTED',
    ],
    ['a long report', post(h, device, 'status', new Uint8Array(3_000), token), 'TOO_LARGE'],
    ['an honest request', post(h, device, 'req', ask, token), 200],
  ];
  for (const [name, work, expected] of rows) t.is((await work).code, expected, name);
  const path = `${h.url}/ota/v1/d/${device.name}/p/${hex(payload.chainHead)}`;
  const ranges: [string | undefined, unknown][] = [
    [undefined, 'BAD_REQUEST'],
    ['bytes=0-', 'BAD_REQUEST'],
    ['bytes=5-4', 'BAD_REQUEST'],
    ['bytes=0-99,200-299', 'BAD_REQUEST'],
    ['bytes=0-9999999', 206],
    ['bytes=99999999-99999999', 'BAD_REQUEST'],
  ];
  for (const [range, expected] of ranges)
    t.is((await call(path, { token, ...(range && { range }) })).code, expected, range);
  t.is((await call(`${h.url}/ota/v1/d/${device.name}/msg?after=-1`, { token })).code, 'BAD_REQUEST');
  t.is((await call(`${h.url}/api/v1/releases`, { token })).code, 'NOT_FOUND', 'the API of people is elsewhere');
});

test('a revoked key, a flood from one address and too many at once are refused', async (t) => {
  const h = await house(t);
  const device = h.device();
  device.record.revoked = true;
  t.is((await post(h, device, 'login', await device.login())).code, 'REVOKED');
  const honest = h.device();
  const token = readSession((await post(h, honest, 'login', await honest.login())).body).token;
  const session = h.door.session(token, honest.name);
  const polls = Array.from({ length: 6 }, () => h.door.messages(session, 0, 60_000));
  await t.throwsAsync(h.door.messages(session, 0), { instanceOf: Refusal, code: 'BUSY' });
  h.door.endAll();
  await Promise.all(polls);
  const flood = Array.from({ length: 1_200 }, () =>
    h.door.login('192.0.2.1', honest.name, new Uint8Array(4)).catch((error: Refusal) => error.code),
  );
  t.true((await Promise.all(flood)).includes('RATE_LIMITED'));
});

test('a server that lies ends a connection, and nothing of it is kept', async (t) => {
  const device = makeDevice();
  const lies: [
    string,
    (path: string, reply: (status: number, body: Uint8Array | string, headers?: object) => void) => void,
  ][] = [
    ['an endless answer', (_path, reply) => reply(200, new Uint8Array(1_000_000))],
    ['a redirect', (_path, reply) => reply(302, '', { location: 'http://127.0.0.1:1/' })],
    ['a page of a proxy', (_path, reply) => reply(503, '<html>')],
    ['no session', (_path, reply) => reply(200, Uint8Array.of(1, 2))],
  ];
  for (const [name, answer] of lies) {
    const server = createServer((request, response) => {
      request.resume();
      answer(request.url!, (status, body, headers = {}) =>
        response.writeHead(status, headers as Record<string, string>).end(body),
      );
    }).listen(0, '127.0.0.1');
    await eventually(() => server.listening);
    const troubles: unknown[] = [];
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const own = link(url, device, { trouble: (error: unknown) => troubles.push(error) });
    const told: string[] = [];
    own.open(ear(told), () => device.login());
    await eventually(() => troubles.length >= 2);
    await own.close();
    server.closeAllConnections();
    server.close();
    t.deepEqual(told, [], name);
    for (const error of troubles) t.true(error instanceof Refusal, `${name}: ${error}`);
  }
});
