/** The servers' part of rows 40 to 43: floods, forged reports, clones and gateways. */
import { deviceCache } from '@countersign/broker/distribution/devices';
import { intake } from '@countersign/broker/distribution/intake/intake';
import { enrolDevicesArgs, objectDigest, productArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import type { Code } from '@countersign/device-sdk';
import {
  asArray,
  decode,
  OPEN,
  publicKeyOf,
  type Report,
  readStatement,
  signStatement,
  utf8,
} from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { makeBed, RawClient } from '../server/delivery-bed.ts';
import { FakeDelivery } from '../server/fake-delivery.ts';
import {
  act,
  addProduct,
  command,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT,
  person,
  planOf,
  publish,
  sha256,
  statementOf,
  type TestDevice,
  VENDOR,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';
import { copiedReport } from './server-enrolled.ts';
import { loggedIn } from './server-network.ts';

/** What a client without manners does at the broker's door; the broker ends it and goes on. */
function atTheDoor(how: string, expect: Code, act: (client: RawClient) => void, limits = {}): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const bed = await makeBed({ teardown: (end) => ground.after(end) }, { limits });
      const client = new RawClient(bed.delivery.port);
      ground.after(() => client.close());
      await client.until(() => client.socket.readyState === 'open' || client.closed);
      act(client);
      await client.ended();
      const honest = new RawClient(bed.delivery.port);
      ground.after(() => honest.close());
      await honest.loginAs(bed.device());
      return {
        harm: bed.errors.length > 0 ? String(bed.errors[0]) : undefined,
        codes: Object.keys(bed.delivery.metrics().denied),
      };
    },
  };
}

/** A CONNECT that would cost the broker more than its login is worth. */
function connecting(how: string, change: Parameters<RawClient['connect']>[0]): Variant {
  return {
    how,
    expect: change?.protocolVersion === 3 ? 'held' : 'BAD_REQUEST',
    async run(ground) {
      const bed = await makeBed({ teardown: (end) => ground.after(end) });
      const device = bed.device();
      const client = new RawClient(bed.delivery.port);
      ground.after(() => client.close());
      const password = Buffer.from(await device.login());
      const code = await client.connect({ clientId: device.name, username: device.name, password, ...change });
      return { harm: code === 0 ? 'it was let in' : undefined, codes: Object.keys(bed.delivery.metrics().denied) };
    },
  };
}

export const floodRows: Variant[] = [
  connecting('connects with a session that outlives it', { clean: false }),
  connecting('connects without a keep-alive', { keepalive: 0 }),
  connecting('connects with a keep-alive of a day', { keepalive: 65_535 }),
  connecting('connects with a last will', { will: { topic: 'x', payload: Buffer.from('x'), qos: 0, retain: false } }),
  connecting('connects with an older protocol', { protocolVersion: 3, protocolId: 'MQIsdp' }),
  atTheDoor('begins with another packet than CONNECT', 'MALFORMED', (client) =>
    client.socket.write(Buffer.from([0xc0, 0x00])),
  ),
  atTheDoor('announces a CONNECT of 150 MB', 'TOO_LARGE', (client) =>
    client.socket.write(Buffer.from([0x10, 0x80, 0xcb, 0xc3, 0x47, 0, 4])),
  ),
  atTheDoor('sends a megabyte before its login', 'TOO_LARGE', (client) =>
    client.socket.write(Buffer.alloc(1 << 20, 0x10)),
  ),
  atTheDoor('connects and says nothing', 'UNAUTHORIZED', () => undefined, { loginMs: 50 }),
  {
    how: 'floods the broker with packets after its login',
    expect: 'RATE_LIMITED',
    async run(ground) {
      const limits = { packetsPerSecond: 1, packetsBurst: 4, debtMs: 1_000 };
      const bed = await makeBed({ teardown: (end) => ground.after(end) }, { limits });
      const device = bed.device();
      const client = new RawClient(bed.delivery.port);
      ground.after(() => client.close());
      await client.loginAs(device);
      for (let i = 0; i < 400; i++) client.publish(`ota/v1/d/${device.name}/req`, Buffer.alloc(100));
      await client.ended();
      return { harm: undefined, codes: Object.keys(bed.delivery.metrics().denied) };
    },
  },
  {
    how: 'floods the intake with reports of its own',
    expect: 'held',
    async run(ground) {
      return withIntake(ground, async ({ take, counts, device }) => {
        for (let i = 0; i < 200; i++) take(device.id, Uint8Array.of(0xd2, i));
        const { dropped } = counts();
        return dropped >= 150 ? undefined : `only ${dropped} of 200 were dropped`;
      });
    },
  },
];

interface Intaking {
  world: World;
  device: TestDevice;
  /** Enrolled as well. */
  other: TestDevice;
  take(id: Uint8Array, bytes: Uint8Array): void;
  settled(): Promise<void>;
  counts(): ReturnType<ReturnType<typeof intake>['counts']>;
  delivery: FakeDelivery;
}

async function withIntake(
  ground: Parameters<Variant['run']>[0],
  act: (parts: Intaking) => Promise<string | undefined>,
) {
  const world = await newWorld();
  ground.after(() => world.end());
  await addProduct(world);
  const [device, other] = [newDevice(), newDevice()];
  await enrolDevices(world, [device, other]);
  const delivery = new FakeDelivery();
  const clock = { now: () => world.clock.now, elapsedMs: () => 0, after: () => () => undefined };
  const faults: unknown[] = [];
  const log = { info() {}, warn() {}, error: (fields: unknown) => void faults.push(fields) };
  const devices = deviceCache(world.ledger, clock);
  const made = intake({ verifier, ledger: world.ledger, devices, delivery, command: world.keys.command, clock, log });
  const before = (await world.ledger.head()).head.size;
  const harm = await act({
    world,
    device,
    other,
    delivery,
    take: made.take,
    settled: made.settled,
    counts: made.counts,
  });
  await made.settled();
  const grown = (await world.ledger.head()).head.size - before;
  const wrong = harm ?? (grown > 0 ? `${grown} entries were logged` : undefined);
  const answered = delivery.sent.length > 0 ? 'it was acknowledged' : undefined;
  const fault = faults.length > 0 ? JSON.stringify(faults[0]) : undefined;
  return { harm: wrong ?? answered ?? fault, codes: Object.keys(made.counts().refused) };
}

/** What the distribution server hears on a device's report topic. */
const STRANGE = new Uint8Array(16).fill(0xe1);

function heard(
  how: string,
  expect: Code | 'held',
  make: (parts: Intaking) => Promise<Uint8Array>,
  from?: Uint8Array,
): Variant {
  return {
    how,
    expect,
    run: (ground) =>
      withIntake(ground, async (parts) => {
        parts.take(from ?? parts.device.id, await make(parts));
        await parts.settled();
        return undefined;
      }),
  };
}

/** A report that the device signs, with its own or a stolen pen. */
function reported(
  how: string,
  expect: Code,
  change: Partial<Report>,
  by: (world: World, device: TestDevice) => Partial<TestDevice> = () => ({}),
): Variant {
  return contract(how, expect, async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const report = await nextReport({ ...device, ...by(world, device) }, change);
    return () => world.ledger.submit(report);
  });
}

export const reportRows: Variant[] = [
  reported('reports with a key of his own', 'UNKNOWN_KEY', {}, () => ({ signer: newSigner() })),
  reported('reports with a person’s key', 'UNKNOWN_KEY', {}, (world) => ({ signer: world.people.alice! })),
  reported('reports with the command key', 'UNKNOWN_KEY', {}, (world) => ({ signer: world.keys.command })),
  reported('reports as a device that nobody knows', 'NOT_FOUND', { deviceId: new Uint8Array(16).fill(0xee) }),
  reported('leaves a report out', 'BAD_COUNTER', { counter: 2 }),
  reported('begins with report 0', 'BAD_COUNTER', { counter: 0 }),
  reported('begins with the largest counter', 'BAD_COUNTER', { counter: Number.MAX_SAFE_INTEGER }),
  reported('reports in the next epoch', 'BAD_COUNTER', { epoch: 1 }),
  reported('reports another past', 'BAD_COUNTER', { previous: sha256(utf8('another')) }),
  contract('adds a field to a report', 'MALFORMED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const { payload } = readStatement(await nextReport({ ...device }), 'report');
    // Every field that is known, and one behind them which nobody would read.
    const fields = [...asArray(decode(payload), 'report'), [['radio', new Uint8Array(32), 'OK']], 1];
    const report = await signStatement(sha256, 'report', fields, device.signer);
    return () => world.ledger.submit(report);
  }),
  contract('replays a report', 'DUPLICATE', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const report = await nextReport(device);
    await world.ledger.submit(report);
    return () => world.ledger.submit(report);
  }),
  contract('reports as a revoked device', 'REVOKED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const report = await nextReport(device);
    const object = objectDigest(sha256, 'device', device.id);
    await act(world, world.people.bob!, 'revoke', object, revokeArgs('device', device.id, 'stolen'));
    return () => world.ledger.submit(report);
  }),
  heard('reports on another device’s topic', 'BAD_STATEMENT', ({ other }) => nextReport(other)),
  heard('reports to the server with a key of his own', 'UNKNOWN_KEY', ({ device }) =>
    nextReport({ ...device, signer: newSigner() }),
  ),
  heard('turns a bit of a report on its way to the server', 'BAD_SIGNATURE', async ({ device }) =>
    flipped(await nextReport(device), -3),
  ),
  heard(
    'reports as a device that nobody has enrolled',
    'NOT_PERMITTED',
    ({ device }) => nextReport({ ...device, id: STRANGE }),
    STRANGE,
  ),
  heard('reports in a message that is too large', 'held', async () => new Uint8Array(5_000)),
  {
    how: 'counts another class’s device in a rollout',
    expect: 'held',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      const product = { ...PRODUCT, name: 'toaster' };
      const toasters = classId(VENDOR, product.name);
      await act(world, world.people.alice!, 'product', objectDigest(sha256, 'product', toasters), productArgs(product));
      const device = newDevice();
      const devices = [{ id: device.id, key: publicKeyOf(device.signer) }];
      const args = enrolDevicesArgs({ classId: toasters, devices });
      await act(world, world.keys.service, 'enrol', objectDigest(sha256, 'devices', toasters), args);
      await world.ledger.submit(await nextReport(device, { rolloutId: plan.rolloutId }));
      const totals = (await world.ledger.evaluate('getTotals', Buffer.from(plan.rolloutId).toString('hex'))) as {
        updated: number;
      };
      return { harm: totals.updated > 0 ? `${totals.updated} were counted` : undefined, codes: [] };
    },
  },
];

export const cloneRows: Variant[] = [
  copiedReport,
  contract('reports from two devices with one identity', 'BAD_COUNTER', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const clone = { ...device };
    await world.ledger.submit(await nextReport(device));
    const report = await nextReport(clone, { code: 'SELF_TEST_FAILED', result: 8, state: 0, reason: 11 });
    return () => world.ledger.submit(report);
  }),
  contract('reports from the clone first, then from the device', 'BAD_COUNTER', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const clone = { ...device };
    for (let i = 0; i < 2; i++) await world.ledger.submit(await nextReport(clone, { attempt: i + 1 }));
    const report = await nextReport(device, { attempt: 7 });
    return () => world.ledger.submit(report);
  }),
  contract('enrols two devices with one key', 'EXISTS', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    return () => enrolDevices(world, [{ ...newDevice(), signer: device.signer }]);
  }),
  contract('enrols one key twice in one batch', 'BAD_STATEMENT', async (world) => {
    const device = newDevice();
    return () => enrolDevices(world, [device, { ...newDevice(), signer: device.signer }]);
  }),
  contract('enrols one device twice in one batch', 'BAD_STATEMENT', async (world) => {
    const device = newDevice();
    return () => enrolDevices(world, [device, { ...newDevice(), id: device.id }]);
  }),
  loggedIn('logs in with a counter that was used', 'BAD_COUNTER', { counter: 9, before: 9 }),
  loggedIn('logs in with an older counter', 'BAD_COUNTER', { counter: 5, before: 9 }),
];

export const gatewayRows: Variant[] = [
  contract('reports for its child with its own key', 'UNKNOWN_KEY', async (world) => {
    const [child, own] = [newDevice(), newDevice()];
    await enrolDevices(world, [child, own]);
    const report = await nextReport({ ...child, signer: own.signer });
    return () => world.ledger.submit(report);
  }),
  contract('changes the order of its child’s reports', 'BAD_COUNTER', async (world) => {
    const child = newDevice();
    await enrolDevices(world, [child]);
    await nextReport(child);
    const second = await nextReport(child);
    return () => world.ledger.submit(second);
  }),
  loggedIn('logs in again with its child’s login', 'BAD_COUNTER', { counter: 3, before: 3 }),
];
