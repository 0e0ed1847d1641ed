/** Children that claim, refuse and forge: none of them takes the place of another. */
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Code } from '@countersign/device-sdk';
import { FRAMES, makeFrames, REFUSED, readRequest, reportValue, signStatement } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import {
  encodeHello,
  encodeMessage,
  HELLO,
  type Message,
  MessageReader,
  READY,
  REFUSAL,
  REPORT,
  STORED,
} from '@countersign/device-sdk/host/local/format';
import { FrameCache } from '@countersign/device-sdk/host/relay/frame-cache';
import { FrameSource, type Way } from '@countersign/device-sdk/host/relay/frame-source';
import { Notes } from '@countersign/device-sdk/host/relay/notes';
import { REPORTS_PER_CHILD_MAX, ReportStore } from '@countersign/device-sdk/host/relay/report-store';
import test, { type ExecutionContext } from 'ava';
import { PocketTime, verifier } from '../support/pocket.ts';
import { pause, world } from '../support/relay-world.ts';

const { sha256 } = verifier;

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-places-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const idOf = (number: number) => new Uint8Array(16).fill(number);

async function report(number: number, counter = 1): Promise<Uint8Array> {
  const zero = new Uint8Array(32);
  const value = reportValue({
    ...{ deviceId: idOf(number), epoch: 1, counter, previous: zero, headSize: 3 },
    ...{ rolloutId: undefined, attempt: 0, manifestDigest: zero, slotDigest: zero, state: 0, result: 1, reason: 0 },
    ...{ code: 'OK', stages: [] },
  });
  // No key that anybody has enrolled.
  return signStatement(sha256, 'report', value, nodeKeyStore(-19, new Uint8Array(32).fill(number)));
}

/** Says hello as anybody, and hears the first message of a kind that is waited for. */
async function stranger(url: string, number: number, classNumber = 9) {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const heard: Message[] = [];
  const reader = new MessageReader();
  socket.on('data', (chunk) => heard.push(...reader.take(chunk)));
  await once(socket, 'connect');
  const hello = { deviceId: idOf(number), classId: idOf(classNumber), login: new Uint8Array(40) };
  socket.write(encodeMessage(HELLO, encodeHello(hello)));
  const until = async (...kinds: number[]) => {
    for (;;) {
      const found = heard.find(({ kind }) => kinds.includes(kind));
      if (found) return found;
      await pause();
    }
  };
  return { socket, until };
}

/** Leaves a report that no server will acknowledge, and goes. */
async function leave(url: string, number: number, classNumber?: number): Promise<void> {
  const { socket, until } = await stranger(url, number, classNumber);
  socket.write(encodeMessage(REPORT, await report(number)));
  await until(STORED);
  socket.end();
  if (!socket.closed) await once(socket, 'close');
}

test('reports under made-up ids hold no place that a child could have', async (t) => {
  const w = await world(t, 0, { limits: { children: 2, cacheBytes: 1_000_000 } });
  w.upstream.go();
  for (const number of [1, 2, 3]) await leave(w.url, number);
  while (w.relay.counts().children > 0) await pause();
  const child = await stranger(w.url, 4);
  t.is((await child.until(READY, REFUSAL)).kind, READY);
  t.is(w.relay.counts().reportsWaiting, 3);
  child.socket.destroy();
});

test('a made-up class under the id of a child does not keep the child away', async (t) => {
  const w = await world(t, 0);
  w.upstream.go();
  await leave(w.url, 1, 7);
  const here = await stranger(w.url, 1, 8);
  t.is((await here.until(READY, REFUSAL)).kind, READY, 'the place of one that has gone');
  const child = await stranger(w.url, 1);
  t.is((await child.until(READY, REFUSAL)).kind, READY, 'the place of one that is here');
  t.is(new TextDecoder().decode((await here.until(REFUSAL)).content), 'DUPLICATE');
  child.socket.destroy();
});

test('forged reports do not fill the store: the one that came first makes room', async (t) => {
  const store = new ReportStore(folderOf(t), sha256);
  // Counters of a stranger's choice: neither the highest nor the lowest may be what stays.
  for (let i = 0; i < REPORTS_PER_CHILD_MAX; i++) store.put(idOf(9), await report(9, 1_000 + i));
  const own = await report(9, 1);
  store.put(idOf(9), own);
  store.put(idOf(9), await report(9, 5_000));
  t.is(store.count, REPORTS_PER_CHILD_MAX);
  t.deepEqual(store.of(idOf(9))[0], own);
});

test('many payloads by turns are not hashed whole again for each frame', (t) => {
  let hashed = 0;
  const counting = (bytes: Uint8Array) => {
    hashed++;
    return sha256(bytes);
  };
  const cache = new FrameCache(folderOf(t), counting, 1_000_000);
  const made = Array.from({ length: 40 }, (_, i) => makeFrames(sha256, new Uint8Array(5_120).fill(i), 512));
  for (const { frames, payload } of made)
    for (const [i, frame] of frames.entries()) t.true(cache.add(payload.chainHead, i, frame));
  hashed = 0;
  for (const { frames, payload } of [...made, ...made]) t.deepEqual(cache.read(payload.chainHead, 9), frames[9]);
  t.is(hashed, 80, 'each frame that is read, and no other');
  // What was closed still grows and is still forgotten as before.
  t.false(cache.add(made[0]!.payload.chainHead, 10, made[0]!.frames[9]!));
  t.is(cache.count(made[0]!.payload.chainHead), 10);
  cache.close();
});

test('one address cannot take all places with sockets', async (t) => {
  const w = await world(t, 0, { limits: { perAddress: 2 } });
  const here = [await stranger(w.url, 1), await stranger(w.url, 2)];
  for (const { until } of here) t.is((await until(READY, REFUSAL)).kind, READY);
  const third = await stranger(w.url, 3);
  t.is(new TextDecoder().decode((await third.until(REFUSAL)).content), 'BUSY');
  here[0]!.socket.destroy();
  while (w.relay.counts().children > 1) await pause();
  const again = await stranger(w.url, 3);
  t.is((await again.until(READY, REFUSAL)).kind, READY, 'whoever goes makes room');
  for (const { socket } of [...here, again]) socket.destroy();
});

test('notes begin with as many as they may keep, and without what a cut left', (t) => {
  const folder = folderOf(t);
  const notes = new Notes(folder, 4);
  for (let i = 0; i < 4; i++) {
    notes.put(`0${i}`, new Uint8Array(8).fill(i));
    utimesSync(join(folder, `0${i}`), i, i);
  }
  // Whole, as after a cut between its flush and its rename.
  cpSync(join(folder, '03'), join(folder, '04.new'));
  const again = new Notes(folder, 2);
  t.deepEqual(
    ['00', '01', '02', '03', '04.new'].map((name) => again.get(name)?.[0]),
    [undefined, undefined, 2, 3, undefined],
  );
  t.deepEqual(readdirSync(folder).sort(), ['02', '03']);
});

/** A way that answers every question with these words, or brings the frames. */
function wayOf(
  source: () => FrameSource,
  frames: Uint8Array[],
  says?: Code,
  retrySeconds = 60,
): Way & { asked: number } {
  const way = {
    up: true,
    asked: 0,
    async request(bytes: Uint8Array): Promise<void> {
      way.asked++;
      const request = readRequest(bytes);
      if (request.kind !== FRAMES) return;
      const { id, kind, first, count } = request;
      await pause();
      if (says === 'LINK_LOST') return;
      if (says) source().hear({ id, kind: REFUSED, code: says, retrySeconds });
      else for (let i = first; i < first + count; i++) source().hear({ id, kind, index: i, frame: frames[i]! });
    },
  };
  return way;
}

/** One source, and children that each want frames of one payload over a way of their own. */
function fetching(t: ExecutionContext, bytes: number) {
  const { frames, payload } = makeFrames(sha256, new Uint8Array(bytes).fill(5), 512);
  const cache = new FrameCache(folderOf(t), sha256, 1_000_000);
  const time = new PocketTime();
  let id = 0;
  const source: FrameSource = new FrameSource({ cache, shelves: [], timer: time, nextId: () => ++id });
  const want = (way: Way, first: number, count: number) => {
    const told: (number | Code)[] = [];
    const deliver = (index: number) => void told.push(index);
    source.want({ chainHead: payload.chainHead, first, count, way, deliver, refuse: (code) => void told.push(code) });
    return told;
  };
  t.teardown(() => {
    source.close();
    cache.close();
  });
  return { frames, source, time, want };
}

test('a child that wants one frame at a time does not have them fetched one by one for all', async (t) => {
  const { frames, source, want } = fetching(t, 5_120);
  const ways = [wayOf(() => source, frames), wayOf(() => source, frames)];
  const slow = want(ways[0]!, 0, 1);
  // The first question is under way; what is asked next is what the other wants.
  const told = want(ways[1]!, 0, 8);
  while (told.length < 8) await pause();
  t.deepEqual(told, [0, 1, 2, 3, 4, 5, 6, 7]);
  t.deepEqual(slow, [0]);
  for (let first = 1; first < 4; first++) want(ways[0]!, first, 1);
  t.true(ways[0]!.asked + ways[1]!.asked <= 2, `${ways[0]!.asked + ways[1]!.asked} questions for 8 frames`);
  t.is(ways[1]!.asked, 1, 'the greater wish is asked for, over its own way');
});

test('a wait that the server asked for is kept, whoever comes meanwhile', async (t) => {
  const { frames, source, time, want } = fetching(t, 1_500);
  const busy = { way: wayOf(() => source, frames), times: 1 };
  const way: Way & { asked: number } = {
    up: true,
    asked: 0,
    async request(bytes) {
      way.asked++;
      if (busy.times-- <= 0) return busy.way.request(bytes);
      await pause();
      source.hear({ id: readRequest(bytes).id, kind: REFUSED, code: 'RATE_LIMITED', retrySeconds: 2 });
    },
  };
  const first = want(way, 0, 3);
  await pause();
  await pause();
  const second = want(way, 1, 1);
  await pause();
  t.is(way.asked, 1, 'not asked again for the one who came');
  t.deepEqual([first, second], [[], []]);
  time.step();
  while (first.length < 3) await pause();
  t.deepEqual([first, second, way.asked], [[0, 1, 2], [1], 2]);
});

test('a child that has used up its own rate and wants the most does not make the others wait for it twice', async (t) => {
  const { frames, source, time, want } = fetching(t, 5_120);
  const [greedy, other] = [wayOf(() => source, frames, 'RATE_LIMITED', 2), wayOf(() => source, frames)];
  want(greedy, 0, 8);
  const told = want(other, 0, 3);
  await pause();
  await pause();
  time.step();
  for (let round = 0; round < 8 && told.length < 3; round++) await pause();
  t.deepEqual([told, other.asked], [[0, 1, 2], 1]);
});

for (const [says, name] of [
  ['RATE_LIMITED', 'what the server refuses to one child it has not refused to the others'],
  ['LINK_LOST', 'what the way of one child does not bring, that of the next does'],
] as const)
  test(name, async (t) => {
    const { frames, payload } = makeFrames(sha256, new Uint8Array(1_500).fill(5), 512);
    const cache = new FrameCache(folderOf(t), sha256, 1_000_000);
    const time = new PocketTime();
    let id = 0;
    const source: FrameSource = new FrameSource({ cache, shelves: [], timer: time, nextId: () => ++id });
    const told: string[] = [];
    const ways = [wayOf(() => source, frames, says), wayOf(() => source, frames)];
    for (const [who, way] of ways.entries())
      source.want({
        ...{ chainHead: payload.chainHead, first: 0, count: 3, way },
        deliver: (index) => told.push(`${who}: ${index}`),
        refuse: (code) => told.push(`${who}: ${code}`),
      });
    for (let round = 0; round < 8 && !told.includes('1: 2'); round++) {
      await pause();
      await pause();
      if (says === 'LINK_LOST') time.step();
    }
    t.deepEqual(
      told.filter((line) => line.startsWith('1')),
      ['1: 0', '1: 1', '1: 2'],
    );
    t.is(ways[0]!.asked, 1);
    if (says === 'RATE_LIMITED') t.true(told.includes('0: RATE_LIMITED'));
    source.close();
    cache.close();
  });
