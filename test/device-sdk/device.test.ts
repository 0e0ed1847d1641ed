/** The life of a device against a publisher in the pocket: real bytes, real signatures, strict flash, no network. */
import { makeFull } from '@countersign/broker/delta/index';
import { codeOf, type VetoStage } from '@countersign/device-sdk';
import { CODER_LITE, readWholeHeader } from '@countersign/device-sdk/delta';
import { encodeProvision, FRESHNESS, outcomeOf, readProvision } from '@countersign/device-sdk/format';
import { provisionStore } from '@countersign/device-sdk/provision';
import { Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import { PocketServer, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const image = (seed: number, bytes = 9000) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 5) * 3) & 0xff);
const changed = (base: Uint8Array, at: number) => base.map((byte, i) => (i % 997 === at ? byte ^ 0x5a : byte));

const applied = (device: PocketDevice) =>
  device.events.flatMap((event) => (event.kind === 'stage' && event.stage === 'apply' ? [event.code] : []));

async function world() {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  return { server, first };
}

test('a device takes the next release by delta, tries it, confirms it and reports it', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  const { running, floor, outbox, pending } = device.device!.state;
  t.is(running.sequence, 2);
  t.is(floor, 2);
  t.is(pending, undefined);
  t.is(Buffer.compare(device.runningImage(second.image.length), second.image), 0);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'updated']);
  t.deepEqual(server.reports[1]!.slotDigest, sha256(second.image));
  t.deepEqual(
    server.reports.map((report) => report.counter),
    [1, 2],
  );
  t.is(outbox.length, 0, 'every report was acknowledged');
  t.true(device.board.boot.record.unbootable[0], 'the old slot is below the floor and may not boot again');
});

test('a release that fails its self-test is reverted, reported and never tried again', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { passes: (version) => version === '1.0.0' });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.is(device.device!.state.running.sequence, 1);
  t.is(Buffer.compare(device.runningImage(first.image.length), first.image), 0);
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'reverted']);
  t.is(server.reports[1]!.code, 'SELF_TEST_FAILED');
  t.deepEqual(server.reports[1]!.slotDigest, sha256(first.image));
  const boots = device.boots;
  device.link!.events!.announcement(await server.announcement());
  await device.settle();
  t.is(device.boots, boots);
  t.is(server.reports.length, 2, 'an announcement of the failed release causes no report');
  t.true(device.codes().includes('FAILED_BEFORE'));
});

test('a device without a clock asks for freshness and takes the release', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { clock: false });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('a damaged proof on the way does not keep a good release away', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first, { clock: false });
  await server.publish(changed(first.image, 5), { bases: [first] });
  const honest = server.answers.bind(server);
  let damaged = 0;
  server.answers = async (bytes) =>
    (await honest(bytes)).map((answer) => {
      if (answer.kind !== FRESHNESS || damaged > 0) return answer;
      damaged++;
      return { ...answer, statement: answer.statement.map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)) };
    });
  await device.start();
  t.is(damaged, 1);
  t.true(device.codes().includes('BAD_SIGNATURE'));
  t.is(device.device!.state.running.sequence, 2);
});

test('a device two releases behind comes up by a direct delta', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  await server.publish(changed(second.image, 6), { bases: [second, first] });
  await device.start();
  t.is(device.device!.state.running.sequence, 3);
});

test('without a delta for its base a device takes the full image', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(image(11));
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('reports wait until they are acknowledged, and keep their chain', async (t) => {
  const { server, first } = await world();
  server.acknowledges = false;
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.is(device.device!.state.outbox.length, 2);
  server.acknowledges = true;
  await device.start();
  t.is(device.device!.state.outbox.length, 0);
  t.deepEqual(
    server.reports.map((report) => report.counter),
    [1, 2],
  );
});

test('a branch that fails twice counts as absent, and the full image is reached', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const target = changed(first.image, 5);
  // The collection server made a mistake: the branch for this base carries a delta from another one.
  await server.publish(target, { bases: [{ ...first, image: changed(first.image, 9) }] });
  const release = server.releases.at(-1)!;
  release.manifest.branches[0]!.base = first.manifest.image;
  server.releases.pop();
  await server.publish(target, { change: { branches: release.manifest.branches } });
  await device.start();
  t.deepEqual(applied(device), ['WRONG_BASE', 'WRONG_BASE', 'OK']);
  t.is(device.device!.state.running.sequence, 2);
});

test('a branch whose decoder this device does not carry is refused by its header, and one that it can decode is taken', async (t) => {
  const { server, first } = await world();
  const random = new Prng('skewed');
  const target = random.bytes(9000).map((byte) => byte & random.bytes(1)[0]! & 0x3f);
  const ranged = makeFull(target, { class: 'M' }).delta;
  t.is(readWholeHeader(ranged).coder, CODER_LITE);
  const plain = makeFull(target, { class: 'S' }).delta;
  const device = new PocketDevice(server, first, { ports: { decoders: [] } });
  await server.publish(target, { bases: [first], containers: { delta: ranged, full: plain } });
  await device.start();
  t.deepEqual(applied(device), ['UNSUPPORTED', 'UNSUPPORTED', 'OK']);
  t.is(device.device!.state.running.sequence, 2);
  await server.publish(changed(target, 7), {
    containers: { full: makeFull(changed(target, 7), { class: 'M' }).delta },
  });
  await device.start();
  t.is(device.device!.state.running.sequence, 2, 'without such a branch it stays where it is');
  t.deepEqual(applied(device).slice(3), ['UNSUPPORTED', 'UNSUPPORTED']);
  t.is(server.reports.at(-1)!.code, 'UNSUPPORTED');
});

test('a tampered frame is charged to the link and never reaches the slot', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  for (const branch of second.manifest.branches) for (const frame of server.frames(branch.payload)) frame[3]! ^= 1;
  await device.start();
  t.true(device.codes().includes('BAD_FRAME'));
  t.is(device.device!.state.running.sequence, 1);
  t.deepEqual(server.reports, []);
  for (const branch of second.manifest.branches) for (const frame of server.frames(branch.payload)) frame[3]! ^= 1;
  await device.start();
  t.is(device.device!.state.running.sequence, 2, 'the same release is taken when the link is honest again');
});

test('the reboot policy decides whether the SDK restarts the device', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await server.publish(changed(first.image, 5), { bases: [first], policy: 3 });
  await device.start();
  t.is(device.device!.state.pending?.phase, 'trial');
  t.is(device.boots, 1);
  t.true(device.events.some((event) => event.kind === 'restart'));
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('a veto stops an install and is asked again', async (t) => {
  const { server, first } = await world();
  let allowed = false;
  const device = new PocketDevice(server, first, { ports: { veto: { allow: async () => allowed } } });
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.deepEqual(device.codes(), ['VETO']);
  t.is(device.device!.state.running.sequence, 1);
  allowed = true;
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('the owner is asked before bytes are fetched, before the slot is written, and before the trial', async (t) => {
  const { server, first } = await world();
  for (const forbidden of ['fetch', 'install', 'restart'] as const) {
    const asked: string[] = [];
    let refusing = true;
    const allow = async (stage: VetoStage, { version }: { version: string }) => {
      asked.push(`${stage} ${version}`);
      return !refusing || stage !== forbidden;
    };
    const device = new PocketDevice(server, first, { ports: { veto: { allow } } });
    const slot = () => sha256(device.board.slots[1].dump());
    const empty = slot();
    if (server.releases.length === 1) await server.publish(changed(first.image, 5), { bases: [first] });
    await device.start();
    const stages = ['fetch 1.0.1', 'install 1.0.1', 'restart 1.0.1'];
    const upTo = stages.findIndex((item) => item.startsWith(forbidden)) + 1;
    t.deepEqual(asked, stages.slice(0, upTo), 'in this order, and nothing after a no');
    t.deepEqual(device.codes(), ['VETO']);
    t.is(Buffer.compare(slot(), empty) === 0, forbidden !== 'restart', 'a slot without consent is untouched');
    refusing = false;
    asked.length = 0;
    await device.start();
    t.deepEqual(
      asked,
      forbidden === 'restart' ? stages.slice(2) : stages,
      'a staged image is neither fetched nor written',
    );
    t.is(device.device!.state.running.sequence, 2);
  }
});

test('a provisioning record that is refused leaves the store of a device as it is', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  const record = readProvision(server.provision(first, device.deviceId));
  for (const wrong of [
    { ...record, deviceId: undefined },
    { ...record, head: { ...record.head, origin: 'elsewhere.example' } },
  ]) {
    const refused = t.throws(() => provisionStore(device.board.store, verifier, encodeProvision(wrong)));
    t.is(codeOf(refused), 'BAD_PROVISION');
  }
  await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('a journal that fell back is told at every start, and costs no login', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  t.false(device.device!.state.damaged);
  const login = () => device.device!.state.counters.login;
  const used = login();
  await device.device!.stop();
  const { store } = device.board;
  // Two banks of 8 KB; the login was written to the newer one.
  const newest = Buffer.from(store.dump(8192 + 4, 4)).readUInt32LE() > Buffer.from(store.dump(4, 4)).readUInt32LE();
  store.corrupt((newest ? 8192 : 0) + 16 + 9, 0x10);
  const told = () => device.events.filter(({ kind }) => kind === 'damaged').length;
  await device.start();
  t.is(told(), 1);
  t.true(login() > used + 1000, 'no number is used twice');
  await device.start();
  t.is(told(), 2, 'the journal is whole again, and the device has not forgotten');
  await server.publish(changed(first.image, 5), { bases: [first] });
  device.link!.events!.announcement(await server.announcement());
  await device.settle();
  await device.start();
  t.is(device.device!.state.running.sequence, 2, 'it updates as before');
  t.true(told() >= 3);
});

test('hostile messages on every topic end in a refusal and change nothing', async (t) => {
  const { server, first } = await world();
  const device = new PocketDevice(server, first);
  await device.start();
  const before = JSON.stringify(device.device!.state.counters);
  for (const bytes of [
    new Uint8Array(),
    Uint8Array.of(0x81),
    new Uint8Array(70_000).fill(0x9f),
    await server.announcement(),
  ]) {
    device.link!.events!.command(bytes);
    device.link!.events!.answer(bytes);
    device.link!.events!.announcement(bytes);
    await device.settle();
  }
  t.false(device.events.some((event) => event.kind === 'fault'));
  t.is(JSON.stringify(device.device!.state.counters), before);
});
