/** What a hostile or failing network may cost a device: bytes, requests, records of the store. */
import { type Code, Refusal } from '@countersign/device-sdk';
import { type Answer, commandValue, FRAMES, FRESHNESS, REFUSED, signStatement } from '@countersign/device-sdk/format';
import test from 'ava';
import { changed, HOUR, image, junk, lying, MINUTE, noise, pass, sequence, world } from '../support/hostile.ts';
import { PocketServer, pocketLink, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
/** THREATS, what bounds a hostile network. */
const SPENT_FACTOR = 24;
const SPENT_BYTES_MIN = 262_144;

test('a fetch that is lost again and again before a checkpoint is given up, and opens again by command', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(image(11, 14_000));
  let sent = 0;
  const lies = lying(server, (answer) => {
    if (answer.kind !== FRAMES) return answer;
    sent++;
    return answer.index === 0 ? answer : [];
  });
  await device.start();
  for (let i = 0; i < 60; i++) await pass(device, 10 * MINUTE);
  t.true(device.codes().includes('CAP_REACHED'));
  t.deepEqual(
    server.reports.map((report) => report.code),
    ['CAP_REACHED'],
  );
  const before = sent;
  for (let i = 0; i < 12; i++) await pass(device, 60 * MINUTE);
  t.is(sent, before, 'nothing more is spent on it');
  lies.on = false;
  const value = commandValue({ deviceId: device.deviceId, counter: 1, command: 2 });
  device.link!.events!.command(await signStatement(sha256, 'cmd', value, server.signers.command));
  await pass(device, MINUTE);
  t.true(device.board.boot.restartRequested);
});

test('a rollout costs a device no more bytes than its cap, over days and restarts, and the next release starts anew', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const { branches } = (await server.publish(image(11, 14_000), { checkpointBytes: 4096 })).manifest;
  const cap = Math.max(SPENT_BYTES_MIN, SPENT_FACTOR * branches[0]!.payload.bytes);
  let bytes = 0;
  // Every question is answered, with frames of their right length of which none is ever the last one.
  const lies = lying(server, (answer) => {
    if (answer.kind !== FRAMES) return answer;
    const frames = Array.from({ length: 20 }, () => ({ ...answer, index: 0 }));
    for (const { frame } of frames) bytes += frame.length;
    return answer.index === branches[0]!.payload.frameCount - 1 ? frames : [answer, ...frames];
  });
  const day = async () => {
    server.time += (24 * HOUR) / 1000;
    await pass(device, 24 * HOUR);
  };
  await device.start();
  const spent = () => device.device!.state.spent!.bytes;
  for (let i = 0; i < 60 && spent() < cap; i++) {
    await day();
    if (i % 2 === 0) await device.start();
  }
  const codes = server.reports.map(({ code, result }) => [code, result]);
  t.deepEqual(codes, [['CAP_REACHED', 4]], 'LwM2M: the connection was lost');
  t.true(spent() >= cap && spent() < cap + 16_384, 'the last answer may go beyond it');
  const before = bytes;
  await device.start();
  for (let i = 0; i < 3; i++) await day();
  t.is(bytes, before, 'neither a restart nor a day opens it');
  t.is(server.reports.length, 1);
  lies.on = false;
  await server.publish(changed(first.image, 6), { bases: [first] });
  await device.start();
  t.is(sequence(device), 3);
});

test('a flood of frames that nobody waits for ends the fetch long before it has used up what the rollout may cost', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(image(11, 14_000));
  const lies = lying(server, (answer) =>
    answer.kind === FRAMES ? Array.from({ length: 1000 }, () => ({ ...answer, index: 4_000_000 })) : answer,
  );
  await device.start();
  t.deepEqual([...new Set(device.codes())], ['LINK_LOST']);
  t.true(lies.told >= 4);
  lies.on = false;
  await pass(device, 5 * MINUTE);
  t.true(device.board.boot.restartRequested, 'the next way to the server is not made to pay for it');
});

test('what a whole image has cost does not use up what the delta may cost that is chosen after a restart', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(noise(300_000));
  const device = new PocketDevice(server, first, { board: { slotBytes: 524_288 } });
  const { branches } = (await server.publish(changed(first.image, 5), { bases: [first] })).manifest;
  const [delta, whole] = branches.map(({ payload }) => payload);
  t.true(SPENT_FACTOR * delta!.bytes < SPENT_BYTES_MIN && whole!.bytes > SPENT_BYTES_MIN);
  const lies = lying(server, (answer, request) => {
    if (answer.kind !== FRAMES || request.kind !== FRAMES) return answer;
    const known = Buffer.compare(request.chainHead, whole!.chainHead) === 0;
    if (!known) return { id: answer.id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 };
    return answer.index < whole!.frameCount - 20 ? answer : [];
  });
  await device.start();
  await pass(device, 2 * MINUTE);
  t.true(device.device!.state.spent!.bytes > SPENT_BYTES_MIN);
  lies.on = false;
  await device.start();
  t.deepEqual([device.codes().includes('CAP_REACHED'), sequence(device)], [false, 2]);
});

test('a link that flaps costs few requests, few reports and few records of the store', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  let requests = 0;
  let reports = 0;
  const { link } = device;
  link!.request = async () => void requests++;
  link!.report = async () => void reports++;
  const operations = device.board.power.operations;
  for (let i = 0; i < 300; i++) {
    link!.events!.down();
    await pass(device, 500);
    link!.events!.up();
    await pass(device, 500);
  }
  t.log(`${requests} requests, ${reports} reports in 5 minutes of 300 connections`);
  t.true(requests <= 70 && reports <= 20);
  t.is(device.board.power.operations, operations);
});

test('logins are counted ahead: one record for many connections, and none is used twice', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  let login: (() => Promise<Uint8Array>) | undefined;
  const link = pocketLink(server);
  const open = link.open.bind(link);
  link.open = (events, make) => {
    login = make;
    open(events, make);
  };
  const seen = new Set<string>();
  for (let boot = 0; boot < 3; boot++) {
    const one = new PocketDevice(server, first, { ports: { link, store: device.board.store } });
    await one.start();
    const before = device.board.power.operations;
    for (let i = 0; i < 31; i++) seen.add(Buffer.from(await login!()).toString('hex'));
    t.is(device.board.power.operations, before);
  }
  t.is(seen.size, 93);
});

type Change = Parameters<typeof lying>[1];
const frames =
  (change: (answer: Extract<Answer, { kind: typeof FRAMES }>) => Answer | Answer[]): Change =>
  (answer) =>
    answer.kind === FRAMES ? change(answer) : answer;
const refusing = (code: Code): Change => frames(({ id }) => ({ id, kind: REFUSED, code, retrySeconds: 0 }));

const CHARGED: [how: string, blamed: boolean, lie: Change][] = [
  ['zeros for frames', true, frames((answer) => ({ ...answer, frame: new Uint8Array(answer.frame.length) }))],
  ['frames that nobody waits for', true, frames((answer) => Array(40).fill({ ...answer, index: 4_000_000 }))],
  ['no frames', true, frames(() => [])],
  ['no answers', true, () => []],
  [
    'a false proof of freshness',
    true,
    (answer) => (answer.kind === FRESHNESS ? { ...answer, statement: answer.statement.slice(0, -1) } : answer),
  ],
  ['a word that no server may say', true, refusing('RESULT_MISMATCH')],
  ['that it is busy', false, refusing('BUSY')],
  ['that it has no such delta', false, refusing('NOT_FOUND')],
];

for (const [how, blamed, lie] of CHARGED) {
  test(`${how}: the link is ${blamed ? 'given up as a liar' : 'kept'}`, async (t) => {
    const { server, first } = await world();
    const device = new PocketDevice(server, first, { clock: false });
    await server.publish(noise(9_000), { bases: [] });
    const lies = lying(server, lie);
    await device.start();
    await pass(device, 2 * MINUTE);
    t.true(lies.told > 0);
    t.is(device.link!.distrusted > 0, blamed, device.codes().join(' '));
    lies.on = false;
    await device.start();
    t.is(sequence(device), 2);
  });
}

test('a link that goes down, a false announcement and a flash that fails are nothing against the link', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const { events } = device.link!;
  events!.announcement(junk(1));
  await pass(device, MINUTE);
  const second = await server.publish(noise(9_000), { bases: [] });
  const lies = lying(server, (answer) => (answer.kind === FRAMES && answer.index > 2 ? [] : answer));
  events!.announcement(await server.announcement());
  await pass(device, 1_000);
  events!.down();
  await pass(device, MINUTE);
  t.true(device.codes().includes('LINK_LOST'), device.codes().join(' '));
  t.is(device.link!.distrusted, 0);

  const { store } = device.board;
  const write = store.write.bind(store);
  store.write = () => {
    throw new Refusal('FLASH_FAULT', 'worn out');
  };
  events!.up();
  await pass(device, MINUTE);
  t.true(device.codes().includes('FLASH_FAULT'), device.codes().join(' '));
  t.is(device.link!.distrusted, 0);
  store.write = write;
  lies.on = false;
  await device.start();
  t.is(sequence(device), 2, second.manifest.version);
});
