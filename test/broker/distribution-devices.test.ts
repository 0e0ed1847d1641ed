/** What devices may ask for, and what they may report: all of it hostile until shown otherwise. */
import { ALLOWANCE } from '@countersign/broker/distribution/allowance';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import { enrolDevicesArgs, objectDigest } from '@countersign/broker/ledger/contract/args';
import { Refusal } from '@countersign/device-sdk';
import {
  ackValue,
  COMMAND_ASK,
  COMMAND_RETRY,
  checkConsistency,
  encode,
  hex,
  leafHash,
  openFrame,
  publicKeyOf,
  type Request,
  readAck,
  readAnnouncement,
  readCommand,
  readFresh,
  readReceipt,
  readReport,
  readStatement,
  reportValue,
  signStatement,
  WINDOW_MAX,
} from '@countersign/device-sdk/format';
import { openRoot, verifyReceipt, verifyStatement } from '@countersign/device-sdk/verify';
import test from 'ava';
import { alice, classId, nextReport, type TestDevice } from '../support/publisher.ts';
import { bytesOf, sha256, signerOf, verifier } from '../support/world.ts';
import { type Bed, makeBed } from './distribution-bed.ts';

async function openedBed(t: Parameters<typeof makeBed>[0], options = {}) {
  const bed = await makeBed(t, options);
  const devices = await bed.publisher.enrol(['a', 'b']);
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf);
  const { release } = bed.server.releases.get(leaf)!;
  const { payload } = release.manifest.branches[0]!;
  return { bed, device: devices[0]!, other: devices[1]!, leaf, rolloutId, payload };
}

test('frames come one by one in their chain, for payloads of confirmed releases alone', async (t) => {
  const { bed, device, payload } = await openedBed(t);
  const request = { id: 7, kind: 1, chainHead: payload.chainHead, first: 0, count: WINDOW_MAX } as const;
  const answers = await bed.delivery.ask(device.id, request);
  t.is(answers.length, payload.frameCount);
  let expected = payload.chainHead;
  for (const [i, answer] of answers.entries()) {
    if (answer.kind !== 1) return t.fail('not a frame');
    t.is(answer.id, 7);
    expected = openFrame(sha256, payload, i, expected, answer.frame).next!;
  }
  t.is(expected, undefined as never);
  const unconfirmed = await bed.publisher.upload('2.0.0');
  t.truthy(unconfirmed);
  const foreign = { ...request, chainHead: bytesOf('another payload') };
  t.like((await bed.delivery.ask(device.id, foreign))[0], { kind: 0, code: 'NOT_FOUND' });
});

const hostile: [string, Request | Uint8Array, string | null][] = [
  ['random bytes', bytesOf('noise'), null],
  ['an empty message', new Uint8Array(), null],
  ['a message over the limit', new Uint8Array(4000), null],
  ['an unknown kind', encode([1, 99]), null],
  ['frames beyond the end', { id: 1, kind: 1, chainHead: bytesOf('x'), first: 2 ** 31, count: 1 }, 'NOT_FOUND'],
  ['a consistency proof from zero', { id: 1, kind: 2, from: 0, to: 3 }, 'BAD_REQUEST'],
  ['a consistency proof beyond the log', { id: 1, kind: 2, from: 1, to: 2 ** 50 }, 'BAD_REQUEST'],
  ['a consistency proof backwards', { id: 1, kind: 2, from: 3, to: 2 }, 'BAD_REQUEST'],
  ['entries of nobody', { id: 1, kind: 3, leafHash: bytesOf('nobody'), count: 16 }, 'NOT_FOUND'],
  ['trust roots of the future', { id: 1, kind: 4, from: 99 }, 'BAD_REQUEST'],
];

for (const [what, request, code] of hostile) {
  test(`${what}: ${code ?? 'silence'}`, async (t) => {
    const { bed, device } = await openedBed(t);
    const answers = await bed.delivery.ask(device.id, request);
    if (code === null) t.deepEqual(answers, []);
    else t.like(answers[0], { id: 1, kind: 0, code });
    t.is(bed.logged.filter(({ level }) => level === 'error').length, 0);
  });
}

test('an issued key is proven into the announced history, also while the log has grown since it was announced', async (t) => {
  // The entry itself is the device's to judge: any one of the log stands for it.
  const points: { thumbprint: string; entry: string }[] = [];
  const through = (ledger: LedgerClient): LedgerClient => ({
    ...ledger,
    evaluate: async (name, ...args) => (name === 'getIssuedKey' ? { points } : ledger.evaluate(name, ...args)),
  });
  const { bed, device } = await openedBed(t, { through });
  const announced = readReceipt(readAnnouncement(bed.delivery.announced.get(hex(classId))!).receipt).signed;
  // As a claim does that came a moment before: an entry, and nothing to announce.
  await bed.publisher.enrol(['claimed']);
  const [first] = await bed.leaves();
  const thumbprint = bytesOf('thumbprint');
  points.push({ thumbprint: hex(thumbprint), entry: hex(first!.leafHash) });
  const [issued] = await bed.delivery.ask(device.id, { id: 1, kind: 8, thumbprint });
  if (issued?.kind !== 8) return t.fail(JSON.stringify(issued));
  t.deepEqual(issued.entry, first!.bytes);
  const receipt = readReceipt(issued.receipt);
  const head = verifyReceipt(verifier, openRoot(verifier, bed.trustRoot).root, receipt, first!.leafHash);
  t.true(head.size > announced.fields.size, 'the log has grown');
  const [answer] = await bed.delivery.ask(device.id, { id: 2, kind: 2, from: announced.fields.size, to: head.size });
  t.is(answer?.kind, 2, JSON.stringify(answer));
});

test('a device that is not enrolled is refused, and served as soon as it is', async (t) => {
  const { bed } = await openedBed(t);
  const id = bytesOf('device late', 16);
  t.like((await bed.delivery.ask(id, { id: 1, kind: 6 }))[0], { kind: 0, code: 'NOT_PERMITTED' });
  await bed.publisher.enrol(['late']);
  while ((await bed.delivery.ask(id, { id: 2, kind: 6 }))[0]?.kind !== 6) bed.clock.advance(100);
  t.pass();
});

test('consistency, entries, roots and freshness are what a device can check', async (t) => {
  const { bed, device, leaf } = await openedBed(t);
  const second = await bed.publisher.release('1.1.0');
  await bed.open(second);
  const current = bed.server.announcement(bed.server.releases.get(leaf)!.release.manifest.classId)!;
  const ask = async (request: Request) => (await bed.delivery.ask(device.id, request))[0]!;

  const growth = await ask({ id: 1, kind: 2, from: 3, to: current.head.size });
  if (growth.kind !== 2) return t.fail('no consistency proof');
  const old = await rootAt(bed, 3);
  t.notThrows(() => checkConsistency(sha256, 3, current.head.size, old, current.head.root, growth.path));

  const chain = await ask({ id: 2, kind: 3, leafHash: second, count: 16 });
  if (chain.kind !== 3) return t.fail('no entries');
  t.deepEqual(
    chain.entries.map((entry) => hex(leafHash(sha256, entry))),
    [hex(second), hex(leaf)],
  );

  const roots = await ask({ id: 3, kind: 4, from: 1 });
  t.deepEqual(roots, { id: 3, kind: 4, roots: [bed.trustRoot] });

  const nonce = bytesOf('nonce', 16);
  const fresh = await ask({ id: 4, kind: 5, nonce });
  if (fresh.kind !== 5) return t.fail('no freshness');
  const { root } = openRoot(verifier, bed.trustRoot);
  const said = readFresh(verifyStatement(verifier, root, fresh.statement, 'fresh', 'command').payload);
  t.deepEqual(said, { nonce, headDigest: current.headDigest });
});

test('a flood of requests gets a few refusals and then silence; another device is served meanwhile', async (t) => {
  const allowance = { ...ALLOWANCE, messages: { perSecond: 10, burst: 10 } };
  const { bed, device, other } = await openedBed(t, { allowance });
  let answered = 0;
  let refused = 0;
  for (let i = 0; i < 200; i++) {
    for (const answer of await bed.delivery.ask(device.id, { id: i, kind: 4, from: 1 })) {
      if (answer.kind === 4) answered++;
      else refused++;
    }
  }
  t.is(answered, 10);
  t.true(refused <= ALLOWANCE.refusals.burst, `${refused} refusals`);
  t.is((await bed.delivery.ask(other.id, { id: 1, kind: 4, from: 1 }))[0]?.kind, 4);
  bed.clock.advance(1000);
  t.is((await bed.delivery.ask(device.id, { id: 1, kind: 4, from: 1 }))[0]?.kind, 4);
});

test('bytes are bounded per device', async (t) => {
  const allowance = { ...ALLOWANCE, bytes: { perSecond: 1000, burst: 6000 } };
  const { bed, device, payload } = await openedBed(t, { allowance });
  const request = { id: 1, kind: 1, chainHead: payload.chainHead, first: 0, count: 5 } as const;
  t.is((await bed.delivery.ask(device.id, request)).length, 5);
  t.like((await bed.delivery.ask(device.id, request))[0], { kind: 0, code: 'RATE_LIMITED', retrySeconds: 1 });
});

test('every kind of answer counts: a short question cannot draw bytes without end', async (t) => {
  const allowance = { ...ALLOWANCE, bytes: { perSecond: 1, burst: 6000 } };
  const { bed, device, leaf } = await openedBed(t, { allowance });
  const questions = [
    { kind: 4, from: 1 },
    { kind: 3, leafHash: leaf, count: 1 },
    { kind: 2, from: 3, to: 6 },
  ] as const;
  for (const question of questions) {
    bed.clock.advance(6_000_000);
    const before = bed.delivery.sent.length;
    for (let i = 0; i < 150; i++) await bed.delivery.ask(device.id, { id: i, ...question });
    const sent = bed.delivery.sent.slice(before).reduce((sum, { bytes }) => sum + bytes.length, 0);
    t.true(sent <= 7000, `kind ${question.kind}: ${sent} bytes`);
  }
});

test('a report is acknowledged with its leaf after it was logged, and a repeated one gets the same acknowledgement', async (t) => {
  const { bed, device, rolloutId } = await openedBed(t);
  const bytes = await nextReport(device, rolloutId, 'updated');
  const acks = () => bed.delivery.sent.filter(({ channel }) => channel === 'cmd').map((sent) => sent.bytes);
  await bed.delivery.report(device.id, bytes);
  await bed.delivery.until(() => acks().length === 1);
  const { root } = openRoot(verifier, bed.trustRoot);
  const ack = readAck(verifyStatement(verifier, root, acks()[0]!, 'ack', 'command').payload);
  t.deepEqual(ack, { deviceId: device.id, counter: 1, leafHash: leafHash(sha256, bytes) });
  t.true((await bed.leaves()).some((leaf) => hex(leaf.leafHash) === hex(ack.leafHash)));
  await bed.delivery.report(device.id, bytes);
  await bed.delivery.until(() => acks().length === 2);
  t.deepEqual(acks()[1], acks()[0]);
  await bed.server.settled();
  t.like(bed.server.status().intake, { logged: 1, repeated: 1, acknowledged: 2 });
});

test('a report whose acknowledgement was lost with the server is acknowledged again, even when later ones are logged', async (t) => {
  const { bed, device, rolloutId } = await openedBed(t);
  const first = await nextReport(device, rolloutId, 'reverted');
  const second = await nextReport(device, rolloutId, 'updated');
  await bed.ledger.submit(first);
  await bed.ledger.submit(second);
  await bed.restart();
  for (const bytes of [first, second]) {
    const before = bed.delivery.sent.length;
    await bed.delivery.report(device.id, bytes);
    await bed.delivery.until(() => bed.delivery.sent.length > before);
    const ack = readAck(readStatement(bed.delivery.sent.at(-1)!.bytes, 'ack').payload);
    t.deepEqual(ack.leafHash, leafHash(sha256, bytes));
  }
  t.is((await bed.publisher.device(device.id)).counter, 2);
});

test('two devices with one key are found by what both of them say, and get no release until an operator decides', async (t) => {
  const { bed, device, other, rolloutId, leaf, payload } = await openedBed(t);
  const id = hex(device.id);
  const say = async (who: TestDevice, slot?: string) => {
    await bed.delivery.report(device.id, await nextReport(who, rolloutId, 'updated', 'OK', slot));
    await bed.server.settled();
  };
  const ask = { id: 1, kind: 1, chainHead: payload.chainHead, first: 0, count: 1 } as const;
  await say(device);
  // Key and state are copied here.
  const copy = { ...device };
  await say(device);
  await say(copy, 'another image');
  t.is(bed.server.clone(id, 0), undefined, 'one line contradicts, and may be all there is');
  t.is((await bed.delivery.ask(device.id, ask))[0]!.kind, 1);
  await say(device);
  const images = [hex(bytesOf('slot')), hex(bytesOf('another image'))];
  t.like(bed.server.clone(id, 0), { code: 'CLONED', epoch: 0, images });
  t.is(bed.logged.filter(({ fields }) => fields.code === 'CLONED').length, 1);
  t.like((await bed.delivery.ask(device.id, ask))[0], { kind: 0, code: 'NOT_PERMITTED' });
  t.is((await bed.delivery.ask(other.id, ask))[0]!.kind, 1, 'the others are served');
  const planned = async () => (await bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] })).waves[0]!;
  t.is((await planned()).devices, 1, 'no plan counts on it');
  await bed.restart();
  t.like(bed.server.clone(id, 0), { code: 'CLONED' }, 'a restart forgets nothing');

  const signer = signerOf('device a, another key');
  const devices = [{ id: device.id, key: publicKeyOf(signer) }];
  await bed.publisher.act(
    alice,
    'enrol',
    objectDigest(sha256, 'devices', classId),
    enrolDevicesArgs({ classId, devices }),
  );
  await bed.heard();
  t.is(bed.server.clone(id, 1), undefined, 'a new key is the decision');
  while ((await bed.delivery.ask(device.id, ask))[0]?.kind !== 1) bed.clock.advance(100);
  t.is((await planned()).devices, 2);
});

test('a device that lost power, resends, or went back to an older state is not taken for two', async (t) => {
  const { bed, device, other, rolloutId } = await openedBed(t);
  const bytes = (who: TestDevice) => nextReport(who, rolloutId, 'updated');
  const send = async (who: TestDevice, report: Uint8Array) => {
    await bed.delivery.report(who.id, report);
    await bed.server.settled();
  };
  // Resent after a power cut, in any order, and by somebody who kept them.
  const [first, second, third] = [await bytes(device), await bytes(device), await bytes(device)];
  for (const report of [first, third, first, second, first, third, second, first]) await send(device, report);
  await send(device, await bytes(device));
  t.is(bed.server.clone(hex(device.id), 0), undefined);
  t.is((await bed.publisher.device(device.id)).counter, 4);

  // Brought back from a copy of its flash: its own line ends, whatever it says from now on.
  await send(other, await bytes(other));
  const older = { ...other };
  await send(other, await bytes(other));
  for (let i = 0; i < 4; i++) await send(older, await bytes(older));
  await bed.restart();
  for (let i = 0; i < 2; i++) await send(older, await bytes(older));
  t.is(bed.server.clone(hex(other.id), 0), undefined);
});

test('reports of one device enter in the order in which they came', async (t) => {
  const { bed, device, rolloutId } = await openedBed(t);
  const reports: Uint8Array[] = [];
  for (let i = 0; i < 5; i++) reports.push(await nextReport(device, rolloutId, 'reverted'));
  for (const bytes of reports) void bed.delivery.report(device.id, bytes);
  await bed.server.settled();
  t.is((await bed.publisher.device(device.id)).counter, 5);
  t.deepEqual(bed.server.status().intake.refused, {});
});

test('nothing is acknowledged that the ledger did not take', async (t) => {
  const { bed, device, rolloutId } = await openedBed(t);
  await bed.restart({
    through: (ledger) => ({
      ...ledger,
      submit: async () => {
        throw new Refusal('BUSY', 'the queue is full');
      },
    }),
  });
  await bed.delivery.report(device.id, await nextReport(device, rolloutId, 'updated'));
  await bed.server.settled();
  t.is(bed.delivery.sent.length, 0);
  t.is(bed.server.status().intake.dropped, 1);
});

test('reports that lie are counted by their code and never logged', async (t) => {
  const { bed, device, other, rolloutId } = await openedBed(t);
  const size = (await bed.leaves()).length;
  const good = await nextReport({ ...device }, rolloutId, 'updated');
  const { payload } = readStatement(good, 'report');
  const forged = await signStatement(sha256, 'report', reportValue(readReport(payload)), signerOf('a thief'));
  const flipped = Uint8Array.from(good);
  flipped[good.length - 1]! ^= 1;
  const skipped = await nextReport({ ...device, counter: 4 }, rolloutId, 'updated');
  const ack = await signStatement(
    sha256,
    'ack',
    ackValue({ deviceId: device.id, counter: 1, leafHash: bytesOf('l') }),
    device.signer,
  );
  for (const bytes of [forged, flipped, skipped, ack, bytesOf('noise'), new Uint8Array(10_000)]) {
    await bed.delivery.report(device.id, bytes);
  }
  await bed.delivery.report(other.id, good);
  await bed.server.settled();
  const { refused, dropped } = bed.server.status().intake;
  t.deepEqual(refused, {
    UNKNOWN_KEY: 1,
    BAD_SIGNATURE: 1,
    BAD_COUNTER: 1,
    WRONG_TYPE: 1,
    MALFORMED: 1,
    BAD_STATEMENT: 1,
  });
  t.is(dropped, 1);
  t.is((await bed.leaves()).length, size);
  t.is(bed.delivery.sent.filter(({ channel }) => channel === 'cmd').length, 0);
});

test('command counters rise over restarts and are never given twice', async (t) => {
  const { bed, device, other } = await openedBed(t);
  const { root } = openRoot(verifier, bed.trustRoot);
  const counters = [
    await bed.server.sendCommand(device.id, COMMAND_ASK),
    await bed.server.sendCommand(other.id, COMMAND_ASK),
  ];
  const { bytes } = bed.delivery.sent.at(-1)!;
  const command = readCommand(verifyStatement(verifier, root, bytes, 'cmd', 'command').payload);
  t.deepEqual(command, { deviceId: other.id, counter: counters[1]!, command: COMMAND_ASK });
  await bed.restart();
  counters.push(await bed.server.sendCommand(device.id, COMMAND_RETRY));
  t.true(counters[0]! < counters[1]! && counters[1]! < counters[2]!);
  t.throws(() => bed.server.sendCommand(device.id, 9), { instanceOf: RangeError });
});

test('labels outlive restarts, and a line torn by a crash is dropped alone', async (t) => {
  const { bed, device, other } = await openedBed(t);
  await bed.server.registry.put([{ deviceId: hex(device.id), labels: { hw: 'C', site: 'north' }, name: 'pump 1' }]);
  await bed.server.registry.put([{ deviceId: hex(other.id), labels: { hw: 'C' } }]);
  await bed.server.close();
  const { appendFile } = await import('node:fs/promises');
  await appendFile(`${bed.dir}/distribution/registry/devices.jsonl`, '{"deviceId":"00');
  await bed.start();
  t.deepEqual(bed.server.registry.group('hw=C,site=north'), new Set([hex(device.id)]));
  t.is(bed.server.registry.group('hw=C').size, 2);
  t.is(bed.server.registry.get(device.id)?.name, 'pump 1');
  t.throws(() => bed.server.registry.put([{ deviceId: 'xyz', labels: {} }]), { message: /32 hex digits/ });
  t.throws(() => bed.server.registry.group('no equals sign'), { message: /label=value/ });
});

async function rootAt(bed: Bed, size: number): Promise<Uint8Array> {
  const { rootOf } = await import('../support/tree.ts');
  return rootOf(
    sha256,
    (await bed.leaves()).slice(0, size).map((leaf) => leaf.leafHash),
  );
}
