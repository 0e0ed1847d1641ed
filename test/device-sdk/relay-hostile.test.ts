/** What strangers and failing disks may do to a gateway. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Link, Refusal } from '@countersign/device-sdk';
import { FRAMES, hex, makeFrames, reportValue, signStatement } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import {
  ASK_LOGIN,
  CONTENT_BYTES_MAX,
  encodeHello,
  encodeMessage,
  HELLO,
  LOGIN,
  type Message,
  MessageReader,
  PING,
  READY,
  REFUSAL,
  REPORT,
  REQUEST,
  STORED,
} from '@countersign/device-sdk/host/local/format';
import { FrameCache } from '@countersign/device-sdk/host/relay/frame-cache';
import { FrameSource, WANTED_MAX, type Way } from '@countersign/device-sdk/host/relay/frame-source';
import { REPORTS_PER_CHILD_MAX, ReportStore } from '@countersign/device-sdk/host/relay/report-store';
import test, { type ExecutionContext } from 'ava';
import { PocketTime, verifier } from '../support/pocket.ts';
import { pause, world } from '../support/relay-world.ts';

const { sha256 } = verifier;
const id = new Uint8Array(16).fill(9);

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-hostile-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Says something raw, and hears whole messages. */
async function stranger(
  url: string,
): Promise<{ socket: Socket; heard: Message[]; until(kind: number): Promise<Message> }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const heard: Message[] = [];
  const reader = new MessageReader();
  socket.on('data', (chunk) => heard.push(...reader.take(chunk)));
  await once(socket, 'connect');
  const until = async (kind: number) => {
    for (;;) {
      const found = heard.find((message) => message.kind === kind);
      if (found) return found;
      await pause();
    }
  };
  return { socket, heard, until };
}

function hello(version = 1): Uint8Array {
  const good = encodeHello({ deviceId: id, classId: id, login: new Uint8Array(40) });
  return good.map((byte, i) => (i === 1 ? version : byte));
}

test('a stranger who breaks the rules of the link is told a code, and nobody else notices', async (t) => {
  const w = await world(t, 0, { limits: { children: 4, cacheBytes: 1_000_000 } });
  const rows: [string, string, Uint8Array][] = [
    ['a request before the hello', 'MALFORMED', encodeMessage(REQUEST, new Uint8Array(3))],
    ['no kind of ours', 'MALFORMED', encodeMessage(99)],
    ['a length above the limit', 'TOO_LARGE', Uint8Array.of(0x7f, 0, 0, 0, HELLO)],
    ['a hello of another version', 'UNSUPPORTED', encodeMessage(HELLO, hello(2))],
    ['a hello that is no CBOR', 'MALFORMED', encodeMessage(HELLO, new Uint8Array(5))],
    ['a hello that is too long', 'TOO_LARGE', encodeMessage(HELLO, new Uint8Array(CONTENT_BYTES_MAX))],
    ['two hellos', 'MALFORMED', Buffer.concat([encodeMessage(HELLO, hello()), encodeMessage(HELLO, hello())])],
  ];
  for (const [name, code, bytes] of rows) {
    const { socket, until } = await stranger(w.url);
    socket.write(bytes);
    t.is(new TextDecoder().decode((await until(REFUSAL)).content), code, name);
    if (!socket.closed) await once(socket, 'close');
  }
  // Byte by byte: a message is whole when it is whole.
  const slow = await stranger(w.url);
  for (const byte of encodeMessage(HELLO, hello())) slow.socket.write(Uint8Array.of(byte));
  await slow.until(READY);
  slow.socket.write(encodeMessage(PING));
  await slow.until(PING);
  slow.socket.destroy();
});

test('connections above the limit are told BUSY, and a second one of the same child takes its place', async (t) => {
  const w = await world(t, 0, { limits: { children: 2, cacheBytes: 1_000_000 } });
  const first = await stranger(w.url);
  first.socket.write(encodeMessage(HELLO, hello()));
  await first.until(READY);
  const second = await stranger(w.url);
  second.socket.write(encodeMessage(HELLO, hello()));
  await second.until(READY);
  t.is(new TextDecoder().decode((await first.until(REFUSAL)).content), 'DUPLICATE');
  while (w.relay.counts().children > 1) await pause();
  const third = await stranger(w.url);
  const fourth = await stranger(w.url);
  t.is(new TextDecoder().decode((await fourth.until(REFUSAL)).content), 'BUSY');
  for (const { socket } of [second, third]) socket.destroy();
});

test('a login serves until it was used: a lost line keeps it, any refusal asks the child for another', async (t) => {
  const logins: string[] = [];
  const link = (_identity: unknown, trouble: (error: unknown) => void): Link => ({
    open(_events, login) {
      void (async () => {
        for (const code of ['LINK_LOST', 'BAD_COUNTER', 'LINK_LOST'] as const) {
          logins.push(hex(await login()));
          trouble(new Refusal(code, 'no'));
        }
        logins.push(hex(await login()));
      })();
    },
    request: async () => undefined,
    report: async () => undefined,
    close: async () => undefined,
  });
  const w = await world(t, 0, { link });
  const child = await stranger(w.url);
  child.socket.write(encodeMessage(HELLO, hello()));
  await child.until(ASK_LOGIN);
  child.socket.write(encodeMessage(LOGIN, new Uint8Array(40).fill(1)));
  while (logins.length < 4) await pause();
  const [first, second] = [hex(new Uint8Array(40)), hex(new Uint8Array(40).fill(1))];
  t.deepEqual(logins, [first, first, second, second]);
  child.socket.destroy();
});

async function report(number: number, counter = 1): Promise<Uint8Array> {
  const zero = new Uint8Array(32);
  const value = reportValue({
    ...{ deviceId: new Uint8Array(16).fill(number), epoch: 1, counter, previous: zero, headSize: 3 },
    ...{ rolloutId: undefined, attempt: 0, manifestDigest: zero, slotDigest: zero, state: 0, result: 1, reason: 0 },
    ...{ code: 'OK', stages: [] },
  });
  return signStatement(sha256, 'report', value, nodeKeyStore(-19, new Uint8Array(32).fill(number)));
}

test('a report of another device than the one that brings it is not taken', async (t) => {
  const w = await world(t, 0);
  w.upstream.go();
  const child = await stranger(w.url);
  child.socket.write(encodeMessage(HELLO, hello()));
  child.socket.write(encodeMessage(REPORT, await report(8)));
  const own = await report(9);
  child.socket.write(encodeMessage(REPORT, own));
  t.deepEqual((await child.until(STORED)).content, sha256(own));
  t.is(w.relay.counts().reportsWaiting, 1);
  t.true(w.events.some((event) => event.kind === 'refused' && event.code === 'BAD_STATEMENT'));
  child.socket.destroy();
});

test('reports are bounded for each child, survive a restart, and a damaged one is not sent to anybody', async (t) => {
  const folder = folderOf(t);
  const store = new ReportStore(folder, sha256);
  for (let counter = 1; counter <= REPORTS_PER_CHILD_MAX; counter++) store.put(id, await report(9, counter));
  store.put(id, await report(9, 99));
  t.is(store.count, REPORTS_PER_CHILD_MAX);
  const name = readdirSync(folder)[0]!;
  writeFileSync(
    join(folder, name),
    readFileSync(join(folder, name)).map((byte, i) => (i === 50 ? byte ^ 1 : byte)),
  );
  const again = new ReportStore(folder, sha256);
  t.is(again.count, REPORTS_PER_CHILD_MAX - 1);
  t.false(readdirSync(folder).includes(name));
});

const PAYLOAD = new Uint8Array(3_000).map((_, i) => (i * i) % 253);

test('the cache takes only the next frame of the chain, and gives none that has changed on the disk', (t) => {
  const folder = folderOf(t);
  const { frames, payload } = makeFrames(sha256, PAYLOAD, 512);
  const { chainHead } = payload;
  const cache = new FrameCache(folder, sha256, 1_000_000);
  t.false(cache.add(chainHead, 1, frames[1]!), 'not the first');
  t.false(cache.add(chainHead, 0, frames[1]!), 'not the one that the name is the digest of');
  t.is(cache.read(chainHead, 0), undefined);
  t.deepEqual(readdirSync(folder), [], 'a name of somebody else’s choice makes no file');
  for (const [i, frame] of frames.entries()) t.true(cache.add(chainHead, i, frame));
  cache.close();
  const path = join(folder, hex(chainHead));
  const whole = readFileSync(path);

  const again = new FrameCache(folder, sha256, 1_000_000);
  t.is(again.count(chainHead), frames.length);
  for (const [i, frame] of frames.entries()) t.deepEqual(again.read(chainHead, i), frame);
  const at = 2 + 2 * frames[0]!.length + 7;
  writeFileSync(
    path,
    whole.map((byte, i) => (i === at ? byte ^ 1 : byte)),
  );
  t.is(again.read(chainHead, 2), undefined, 'decayed under a running gateway');
  again.close();

  writeFileSync(
    path,
    whole.map((byte, i) => (i === at ? byte ^ 1 : byte)),
  );
  const cut = new FrameCache(folder, sha256, 1_000_000);
  t.is(cut.count(chainHead), 2, 'what stands before it is good');
  t.deepEqual(cut.read(chainHead, 1), frames[1]);
  cut.close();
});

test('a child that asks without end takes no place of another', (t) => {
  const cache = new FrameCache(folderOf(t), sha256, 1_000_000);
  let id = 0;
  const source = new FrameSource({ cache, shelves: [], timer: new PocketTime(), nextId: () => ++id });
  const told: string[] = [];
  const want = (way: Way, name: string, number: number) =>
    source.want({
      ...{ chainHead: sha256(Uint8Array.of(number & 255, number >> 8)), first: 0, count: 4, way },
      deliver: () => undefined,
      refuse: (code) => told.push(`${name} ${code}`),
    });
  const way = () => ({ up: true, request: async () => undefined });
  const [flood, honest] = [way(), way()];
  for (let number = 0; number < WANTED_MAX + 100; number++) want(flood, 'flood', number);
  want(honest, 'honest', 7);
  t.deepEqual(told, []);
  source.close();
  cache.close();
});

test('a way that brings wrong frames is given up; frames out of order, late or without a place are nothing against it', (t) => {
  const cache = new FrameCache(folderOf(t), sha256, 1_000_000);
  const { frames, payload } = makeFrames(sha256, PAYLOAD, 512);
  const time = new PocketTime();
  let id = 0;
  const source = new FrameSource({ cache, shelves: [], timer: time, nextId: () => ++id });
  let distrusted = 0;
  const way: Way = { up: true, request: async () => undefined, distrust: () => distrusted++ };
  const want = () =>
    source.want({
      ...{ chainHead: payload.chainHead, first: 0, count: 4, way },
      ...{ deliver: () => undefined, refuse: () => undefined },
    });
  const bring = (index: number, frame: Uint8Array) => source.hear({ id, kind: FRAMES, index, frame });
  want();
  const wrong = frames.map((frame) => frame.map((byte) => byte ^ 1));
  for (const index of [2, 3, 2]) bring(index, frames[index]!);
  for (const index of [1, 2, 3]) bring(index, wrong[index]!);
  t.is(distrusted, 0, 'before the first frame nobody can tell');
  bring(0, frames[0]!);
  bring(1, wrong[1]!);
  bring(1, wrong[1]!);
  bring(0, frames[0]!);
  t.is(distrusted, 0);
  bring(1, wrong[1]!);
  t.is(distrusted, 1);
  bring(1, frames[1]!);
  for (let i = 0; i < 3; i++) bring(2, wrong[2]!);
  t.is(distrusted, 2, 'and again where it goes on');
  source.close();
  cache.close();

  const full = new FrameCache(folderOf(t), sha256, 100);
  const small = new FrameSource({ cache: full, shelves: [], timer: time, nextId: () => ++id });
  small.want({
    ...{ chainHead: payload.chainHead, first: 0, count: 4, way },
    ...{ deliver: () => undefined, refuse: () => undefined },
  });
  for (let i = 0; i < 4; i++) small.hear({ id, kind: FRAMES, index: 0, frame: frames[0]! });
  t.is(full.count(payload.chainHead), 0);
  t.is(distrusted, 2, 'a disk without room');
  small.close();
  full.close();
});

test('the cache forgets whole payloads, the one that was used longest ago first, and never exceeds its bound', (t) => {
  const folder = folderOf(t);
  const made = [1, 2, 3].map((n) =>
    makeFrames(
      sha256,
      PAYLOAD.map((byte) => byte ^ n),
      512,
    ),
  );
  const cache = new FrameCache(folder, sha256, 7_000);
  const put = ({ frames, payload }: (typeof made)[0]) =>
    frames.every((frame, i) => cache.add(payload.chainHead, i, frame));
  t.true(put(made[0]!));
  t.true(put(made[1]!));
  t.truthy(cache.read(made[0]!.payload.chainHead, 0));
  t.true(put(made[2]!));
  t.is(cache.count(made[1]!.payload.chainHead), 0);
  t.is(cache.count(made[0]!.payload.chainHead), made[0]!.frames.length);
  t.true(cache.bytes <= 7_000);
  t.deepEqual(readdirSync(folder).length, 2);
  const large = makeFrames(sha256, new Uint8Array(9_000), 512);
  t.false(put(large), 'what cannot fit is not kept whole');
  t.true(cache.bytes <= 7_000);
  cache.close();
});
