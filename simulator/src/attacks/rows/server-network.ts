/** Row 35, and the servers' part of rows 34 and 36: logins, topics and reports on the line. */
import { createDelivery } from '@countersign/broker/distribution/delivery/broker';
import { memoryLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { deviceGate, loginGate } from '@countersign/broker/distribution/delivery/login';
import type { Code } from '@countersign/device-sdk';
import { announceTopic, loginValue, publicKeyOf, signStatement, TOPIC_HEAD } from '@countersign/device-sdk/format';
import type { Attack, Found, Variant } from '../attack.ts';
import { flipped, relabelled } from '../forge.ts';
import { type Bed, CLASS_ID, makeBed, RawClient, type TestDevice } from '../server/delivery-bed.ts';
import { enrolDevices, newDevice, newSigner, nextReport, sha256, verifier } from '../server/ledger-world.ts';
import { contract, refused } from '../server/try.ts';

const BROKER = 'broker.attacked';

interface Login {
  login: { brokerId: string; counter: number; deviceId: Uint8Array };
  signer: ReturnType<typeof newSigner>;
  kind: 'login' | 'ack';
  username?: string;
  clientId?: string;
  revoked?: boolean;
  unknown?: boolean;
  change?: (bytes: Uint8Array) => Uint8Array;
  /** A login with this counter was taken before. */
  before?: number;
}

/** A login at the true gate; without a change it would be taken. */
export function loggedIn(
  how: string,
  expect: Code,
  change: Partial<Login> & { broker?: string; counter?: number; device?: Uint8Array },
): Variant {
  return refused(how, expect, async () => {
    const device = newDevice();
    const {
      broker = BROKER,
      counter = 9,
      device: deviceId = device.id,
      kind = 'login',
      signer = device.signer,
    } = change;
    const record = { key: publicKeyOf(device.signer), classId: CLASS_ID, revoked: change.revoked ?? false };
    const counters = memoryLoginCounters();
    const find = async () => (change.unknown ? undefined : record);
    const gate = loginGate({ brokerId: BROKER, secret: 'sixteen characters', device: find, counters, verifier });
    const name = Buffer.from(device.id).toString('hex');
    const made = async (n: number) =>
      signStatement(sha256, kind, loginValue({ deviceId, brokerId: broker, counter: n }), signer);
    if (change.before !== undefined)
      await gate({ clientId: name, username: name, password: await made(change.before) });
    const password = (change.change ?? ((bytes: Uint8Array) => bytes))(await made(counter));
    return gate({ clientId: change.clientId ?? name, username: change.username ?? name, password });
  });
}

export const loginRows: Variant[] = [
  refused('names a client that is not the user, over HTTP', 'UNAUTHORIZED', () =>
    deviceGate({ brokerId: BROKER, device: async () => undefined, counters: memoryLoginCounters(), verifier })({
      clientId: 'ff'.repeat(16),
      username: 'ee'.repeat(16),
      password: new Uint8Array(9),
    }),
  ),
  loggedIn('uses a login for one broker at another', 'BAD_STATEMENT', { broker: 'broker.elsewhere' }),
  loggedIn('uses a login of another device', 'BAD_STATEMENT', { device: new Uint8Array(16).fill(3) }),
  loggedIn('uses another statement as a login', 'WRONG_TYPE', { kind: 'ack' }),
  loggedIn('signs a login with a key of his own', 'UNKNOWN_KEY', { signer: newSigner() }),
  loggedIn('turns a bit of a login', 'BAD_SIGNATURE', { change: (bytes) => flipped(bytes, -3) }),
  loggedIn('names a client that is not the user', 'UNAUTHORIZED', { clientId: 'ff'.repeat(16) }),
  loggedIn('names a user that is no device', 'UNAUTHORIZED', { username: 'admin', clientId: 'admin' }),
  loggedIn('sends a password of a kilobyte', 'TOO_LARGE', { change: () => new Uint8Array(1024) }),
  loggedIn('logs in as a device that nobody has enrolled', 'NOT_FOUND', { unknown: true }),
  loggedIn('logs in as a device that was revoked', 'REVOKED', { revoked: true }),
];

/** With a logged-in device, and the distribution server, at a true broker over a true socket. */
function connected(
  how: string,
  expect: Code,
  act: (parts: {
    bed: Bed;
    device: TestDevice;
    client: RawClient;
    own: string;
    server: RawClient;
  }) => Promise<string | undefined>,
): Variant {
  return {
    how,
    expect,
    async run(ground): Promise<Found> {
      const bed = await makeBed({ teardown: (end) => ground.after(end) });
      const device = bed.device();
      const [client, server] = [new RawClient(bed.delivery.port), new RawClient(bed.delivery.port)];
      ground.after(() => {
        for (const item of [client, server]) item.close();
      });
      await client.loginAs(device);
      await server.loginAsServer();
      await server.subscribe('ota/v1/d/+/req');
      const harm = await act({ bed, device, client, server, own: `ota/v1/d/${device.name}` });
      return { harm, codes: Object.keys(bed.delivery.metrics().denied) };
    },
  };
}

const ELSE = 'ff'.repeat(16);

function subscribed(how: string, topic: (own: string) => string, qos: 0 | 1 = 0): Variant {
  return connected(how, 'NOT_PERMITTED', async ({ client, own }) => {
    const granted = await client.subscribe(topic(own), qos);
    return granted === 128 || granted === undefined ? undefined : `the broker granted ${topic(own)}`;
  });
}

/** Whoever may not publish there is cut off, and nobody hears of it. */
function published(
  how: string,
  topic: (own: string) => string,
  options: { qos?: 0 | 1 | 2; retain?: boolean } = {},
): Variant {
  return connected(how, 'NOT_PERMITTED', async ({ client, server, own }) => {
    await server.subscribe(announceTopic(CLASS_ID), 1);
    const before = server.count;
    client.publish(topic(own), 'hostile', options);
    await client.ended();
    return server.count > before ? 'somebody heard it' : undefined;
  });
}

export const eavesdropping: Attack = {
  id: 35,
  name: 'eavesdropping',
  source: 'Uptane; RFC 9124 THREAT.IMG.DISCLOSURE, THREAT.MFST.EXPOSURE',
  against: ['server'],
  variants: [
    subscribed('subscribes to everything', () => '#'),
    subscribed('subscribes to every device', () => 'ota/v1/d/+/frm'),
    subscribed('subscribes to another device’s answers', () => `ota/v1/d/${ELSE}/frm`),
    subscribed('subscribes to another device’s commands', () => `ota/v1/d/${ELSE}/cmd`, 1),
    subscribed('subscribes to another class', () => `ota/v1/c/${ELSE}/announce`),
    subscribed('subscribes through a shared subscription', (own) => `$share/all/${own}/frm`),
    subscribed('subscribes to the broker’s own topics', () => '$SYS/#'),
    published('publishes another device’s requests', () => `ota/v1/d/${ELSE}/req`),
    published('publishes another device’s reports', () => `ota/v1/d/${ELSE}/status`, { qos: 1 }),
    published('publishes the class’s announcement', () => announceTopic(CLASS_ID), { qos: 1, retain: true }),
    published('publishes the head', () => TOPIC_HEAD, { qos: 1, retain: true }),
    {
      how: 'connects without a name',
      expect: 'UNAUTHORIZED',
      async run(ground) {
        const bed = await makeBed({ teardown: (end) => ground.after(end) });
        const client = new RawClient(bed.delivery.port);
        ground.after(() => client.close());
        const code = await client.connect();
        return { harm: code === 0 ? 'it was let in' : undefined, codes: Object.keys(bed.delivery.metrics().denied) };
      },
    },
    {
      how: 'connects as the server with a default password',
      expect: 'UNAUTHORIZED',
      async run(ground) {
        const bed = await makeBed({ teardown: (end) => ground.after(end) });
        const client = new RawClient(bed.delivery.port);
        ground.after(() => client.close());
        const code = await client.connect({
          clientId: 'distribution',
          username: 'distribution',
          password: Buffer.from('admin'),
        });
        return { harm: code === 0 ? 'it was let in' : undefined, codes: Object.keys(bed.delivery.metrics().denied) };
      },
    },
    refused('lets the broker listen to the world without TLS', 'BAD_REQUEST', async () => {
      const delivery = await createDelivery({
        host: '0.0.0.0',
        brokerId: BROKER,
        authenticate: async () => ({ role: 'distribution' }),
      });
      await delivery.close();
    }),
  ],
};

/** A report of an enrolled device, changed on its way to the ledger. */
function onTheWay(how: string, expect: Code, change: (report: Uint8Array) => Uint8Array): Variant {
  return contract(how, expect, async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const report = change(await nextReport(device));
    return () => world.ledger.submit(report);
  });
}

export const pathRows: Variant[] = [
  onTheWay('turns a bit of a report’s signature', 'BAD_SIGNATURE', (report) => flipped(report, -3)),
  onTheWay('changes a report under its signature', 'BAD_SIGNATURE', (report) =>
    relabelled(report, ({ payload }) => ({ payload: flipped(payload!, 30) })),
  ),
  onTheWay('cuts a report off', 'MALFORMED', (report) => report.slice(0, -1)),
  onTheWay('adds to a report', 'MALFORMED', (report) => Uint8Array.from([...report, 0])),
];
