/** Bundles: what is in them comes back, what is wrong with them is said, and a device takes no more from them than it may. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFull } from '@countersign/broker/delta/index';
import { type Code, codeOf, type LinkEvents } from '@countersign/device-sdk';
import { CONSISTENCY, checkConsistency, leafHash, readReport, readStatement } from '@countersign/device-sdk/format';
import { checkBundle } from '@countersign/device-sdk/host/bundle/check';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import { type BundleHead, encodeHead, encodeStart, START_BYTES } from '@countersign/device-sdk/host/bundle/format';
import { growthPath, peaksOf, rootOfGrowth } from '@countersign/device-sdk/host/bundle/growth';
import { bundleLink } from '@countersign/device-sdk/host/bundle/link';
import test, { type ExecutionContext } from 'ava';
import { pocketBundle, writeBundle } from '../support/bundle.ts';
import { PocketServer, TIME, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const OLD = new Uint8Array(9_000).map((_, i) => (i * 7) % 251);
const NEW = OLD.map((byte, i) => (i % 500 === 0 ? byte ^ 85 : byte));

async function world(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bundle-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const server = await PocketServer.create('M');
  const base = await server.publish(OLD);
  const from = server.entries.length - 1;
  const path = join(folder, 'bundle');
  const make = async (change: Partial<BundleHead> = {}) =>
    writeBundle(path, { ...(await pocketBundle(server, from)), ...change }, (payload) => server.frames(payload));
  return { path, server, base, from, make };
}

test('a path of consistency can be made from every size since the base', (t) => {
  const leaves = Array.from({ length: 41 }, (_, i) => leafHash(sha256, Uint8Array.of(i)));
  const rootAt = (size: number) =>
    rootOfGrowth(sha256, { from: size, peaks: peaksOf(sha256, leaves.slice(0, size)), leaves: new Uint8Array() });
  for (let from = 1; from < leaves.length; from++) {
    const growth = { from, peaks: peaksOf(sha256, leaves.slice(0, from)), leaves: Buffer.concat(leaves.slice(from)) };
    t.deepEqual(rootOfGrowth(sha256, growth), rootAt(leaves.length));
    t.is(growthPath(sha256, growth, from - 1, leaves.length), undefined, 'before the base');
    for (let size = from; size < leaves.length; size++) {
      const path = growthPath(sha256, growth, size, leaves.length)!;
      t.notThrows(() => checkConsistency(sha256, size, leaves.length, rootAt(size), rootAt(leaves.length), path));
    }
  }
});

test('a bundle that is whole says so, and gives what was put in', async (t) => {
  const w = await world(t);
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
  await w.make();
  const file = new BundleFile(w.path, sha256);
  t.teardown(() => file.close());
  const checked = checkBundle(verifier, file, w.server.rootBytes);
  t.true(checked.anchored);
  t.false(checkBundle(verifier, file).anchored);
  t.deepEqual(checked.branches, { here: 2, of: 2 });
  t.is(checked.proven.manifest.version, '1.0.1');
  const head = await pocketBundle(w.server, w.from);
  t.deepEqual(encodeHead(file.head), encodeHead(head));
  for (const payload of head.payloads)
    t.deepEqual(file.frames(payload.chainHead, 0, payload.frameCount), w.server.frames(payload));
  const asked = { id: 1, kind: CONSISTENCY, from: w.from, to: w.server.entries.length } as const;
  t.is(file.answer(asked)?.kind, CONSISTENCY);
});

test('a bundle brings the payloads of every component', async (t) => {
  const w = await world(t);
  const radio = OLD.subarray(0, 3_000);
  const branches = [w.server.branch(makeFull(radio, { class: 'M' }).delta)];
  const components = [{ id: 'radio', digest: sha256(radio), bytes: radio.length, branches }];
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base], change: { components } });
  await w.make();
  const file = new BundleFile(w.path, sha256);
  t.teardown(() => file.close());
  t.deepEqual(checkBundle(verifier, file).branches, { here: 3, of: 3 });
  const [{ payload }] = branches as [(typeof branches)[0]];
  t.deepEqual(file.frames(payload.chainHead, 0, 99), w.server.frames(payload));
});

test('a bundle that is cut, longer, flipped at any byte of its head part, or not a bundle is refused', async (t) => {
  const w = await world(t);
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
  const whole = await w.make();
  const headBytes = START_BYTES + encodeHead(await pocketBundle(w.server, w.from)).length;
  const refusedAs = (bytes?: Uint8Array) => {
    if (bytes) writeFileSync(w.path, bytes);
    try {
      new BundleFile(w.path, sha256).close();
      return 'taken';
    } catch (error) {
      return codeOf(error);
    }
  };
  t.is(refusedAs(whole), 'taken');
  const codes = new Set<string>();
  const fd = openSync(w.path, 'r+');
  t.teardown(() => closeSync(fd));
  for (let at = 0; at < headBytes; at++) {
    writeSync(fd, Uint8Array.of(whole[at]! ^ 16), 0, 1, at);
    codes.add(refusedAs());
    writeSync(fd, whole, at, 1, at);
  }
  t.deepEqual([...codes].sort(), ['MALFORMED', 'TOO_LARGE']);
  for (const length of [0, 5, START_BYTES, headBytes - 1, headBytes, whole.length - 1])
    t.is(refusedAs(whole.subarray(0, length)), 'MALFORMED', `${length} bytes`);
  t.is(refusedAs(Buffer.concat([whole, Uint8Array.of(0)])), 'MALFORMED');
});

test('lies under a digest that fits are found by the check, each by its code', async (t) => {
  const w = await world(t);
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
  const good = await pocketBundle(w.server, w.from);
  const growth = good.growth!;
  const bit = (bytes: Uint8Array, at = bytes.length - 1) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const lies: Record<string, [string, Partial<BundleHead>]> = {
    'another root': ['BAD_ROOT', { roots: [bit(w.server.rootBytes)] }],
    'no root': ['BAD_ROOT', { roots: [] }],
    'roots out of order': ['BAD_ROOT', { roots: [w.server.rootBytes, w.server.rootBytes] }],
    'another class': ['WRONG_CLASS', { classId: new Uint8Array(16) }],
    'another version': ['BAD_CHAIN', { version: '9.9.9' }],
    'another leaf': ['SPLIT_VIEW', { growth: { ...growth, leaves: bit(growth.leaves) } }],
    'no growth': ['SPLIT_VIEW', { growth: null }],
    'another entry': ['BAD_CHAIN', { entries: good.entries.map((entry) => bit(entry)) }],
    'one payload twice': ['MALFORMED', { payloads: [good.payloads[0]!, good.payloads[0]!] }],
  };
  for (const [name, [code, change]] of Object.entries(lies)) {
    await w.make(change);
    const found = t.throws(() => checkBundle(verifier, new BundleFile(w.path, sha256)), undefined, name);
    t.is(codeOf(found), code as Code, name);
  }
  const swapped = { ...good, payloads: [...good.payloads].reverse() };
  writeBundle(w.path, good, (payload) => w.server.frames(payload));
  writeFileSync(
    w.path,
    Buffer.concat([encodeStart(sha256, swapped), ...good.payloads.flatMap((p) => w.server.frames(p))]),
  );
  t.is(codeOf(t.throws(() => checkBundle(verifier, new BundleFile(w.path, sha256)))), 'BAD_FRAME', 'in another order');
});

for (const [name, clock, allowed, code] of [
  ['with a clock', true, false, undefined],
  ['without a clock, by its owner’s word', false, true, undefined],
  ['without a clock and without that word', false, false, 'UNREACHABLE' as Code],
] as const) {
  test(`a device ${name} at a bundle alone ${code ? 'waits' : 'installs, and its report waits'}`, async (t) => {
    const w = await world(t);
    const { classId } = w.server;
    const shelves: BundleFile[] = [];
    const ports = {
      clock: { now: () => (clock ? TIME + 60 : undefined) },
      offline: allowed,
      // A link for each boot.
      get link() {
        return bundleLink({ shelves, classId });
      },
    };
    const own = new PocketDevice(w.server, w.base, { ports });
    await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
    await w.make();
    shelves.push(new BundleFile(w.path, sha256));
    await own.start();
    const updated = own.device!.state.running.version === '1.0.1';
    t.is(updated, code === undefined, own.codes().join());
    if (code) t.true(own.codes().includes(code), own.codes().join());
    else t.is(Buffer.compare(own.runningImage(NEW.length), NEW), 0);
    t.is(own.device!.state.outbox.length, code ? 0 : 2);
    t.deepEqual(w.server.reports, []);
    if (code) return;
    const [trial] = own.device!.state.outbox;
    const { stages } = readReport(readStatement(trial!.bytes, 'report').payload);
    const says = stages.some(([stage, said]) => stage === 'verify' && said === 'FREEZE');
    t.is(says, !clock, 'that nobody called the head the newest stands in the report');
  });
}

test('a stale bundle stops a device with a clock and locks nobody out; the next one is taken', async (t) => {
  const w = await world(t);
  const { classId } = w.server;
  const shelves: BundleFile[] = [];
  const clock = { now: () => TIME + 90_000 };
  const ports = {
    clock,
    get link() {
      return bundleLink({ shelves, classId });
    },
  };
  const device = new PocketDevice(w.server, w.base, { ports });
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
  await w.make();
  shelves.push(new BundleFile(w.path, sha256));
  await device.start();
  t.true(device.codes().includes('FREEZE'), device.codes().join());
  t.is(device.device!.state.running.version, '1.0.0');
  w.server.time = TIME + 89_000;
  await w.make();
  shelves.splice(0, 1, new BundleFile(w.path, sha256));
  await device.start();
  t.is(device.device!.state.running.version, '1.0.1');
});

test('a forged bundle is refused by the device with a code, and loses nothing', async (t) => {
  const w = await world(t);
  const { classId } = w.server;
  const shelves: BundleFile[] = [];
  const ports = {
    clock: { now: () => TIME + 60 },
    get link() {
      return bundleLink({ shelves, classId });
    },
  };
  const devices = Array.from({ length: 4 }, () => new PocketDevice(w.server, w.base, { ports }));
  // Grown since the devices were made, so that a path of consistency is asked for.
  await w.server.publish(NEW, { version: '1.0.1', bases: [w.base] });
  const good = await pocketBundle(w.server, w.from);
  const bit = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const framesOf = (payload: (typeof good.payloads)[0]) => w.server.frames(payload);
  const { growth, announcement } = good;
  const lies: [RegExp, () => void][] = [
    [
      /SPLIT_VIEW/,
      () => writeBundle(w.path, { ...good, growth: { ...growth!, leaves: bit(growth!.leaves, 70) } }, framesOf),
    ],
    [
      /BAD_SIGNATURE|MALFORMED/,
      () => writeBundle(w.path, { ...good, announcement: bit(announcement, announcement.length - 5) }, framesOf),
    ],
    [/BAD_FRAME/, () => writeBundle(w.path, good, (payload) => framesOf(payload).map((frame) => bit(frame, 3)))],
    [/UNREACHABLE|NOT_FOUND|LINK_LOST/, () => writeBundle(w.path, { ...good, payloads: [] }, framesOf)],
  ];
  for (const [i, [code, lie]] of lies.entries()) {
    const device = devices[i]!;
    lie();
    shelves.splice(0, 1, new BundleFile(w.path, sha256));
    await device.start();
    t.regex(device.codes().join(), code);
    t.is(device.device!.state.running.version, '1.0.0', String(code));
    t.is(Buffer.compare(device.runningImage(OLD.length), OLD), 0);
    t.deepEqual(device.device!.state.failed, [], 'nothing is held against the release');
    await w.make();
    shelves.splice(0, 1, new BundleFile(w.path, sha256));
    await device.start();
    t.is(device.device!.state.running.version, '1.0.1', String(code));
    t.is(Buffer.compare(device.runningImage(NEW.length), NEW), 0);
  }
});

test('a network that says again that it is down costs the device nothing of what it asked the bundle', async (t) => {
  let network: LinkEvents | undefined;
  const nothing = async () => undefined;
  const link = bundleLink({
    shelves: [],
    classId: new Uint8Array(16),
    network: { open: (events) => void (network = events), request: nothing, report: nothing, close: nothing },
  });
  const told: string[] = [];
  const say = (what: string) => () => void told.push(what);
  const events = { up: say('up'), down: say('down'), announcement: say(''), answer: say(''), command: say('') };
  link.open(events, async () => new Uint8Array());
  t.false(link.networkUp, 'the bundle alone');
  network!.up();
  t.true(link.networkUp);
  await Promise.resolve();
  t.deepEqual(told, ['up'], 'told once, whatever was up first');
  for (const change of [network!.up, network!.down, network!.down, network!.down, network!.up]) change();
  t.deepEqual(told, ['up', 'down', 'up', 'down', 'up'], 'each true change, and no other');
  await link.close();
});
