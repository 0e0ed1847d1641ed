/** The client of Hyperledger Fabric against a small network: true chaincode on fabric-shim, true gateway protobufs, TLS. */
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { productArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { finalBlock } from '@countersign/broker/ledger/fabric/fabric-block';
import { fabricSource, TRIES_MAX } from '@countersign/broker/ledger/fabric/fabric-source';
import { readProfile } from '@countersign/broker/ledger/fabric/profile';
import { type MirroredLedger, type MirrorOptions, mirrored } from '@countersign/broker/ledger/mirror/mirrored';
import { codeOf } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import type { Channel } from '../support/fabric/channel.ts';
import type { Faults } from '../support/fabric/gateway-server.ts';
import { type FabricNetwork, fabricNetwork } from '../support/fabric/network.ts';
import {
  act,
  addProduct,
  enrolDevices,
  enrolment,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT,
  PRODUCT_OBJECT,
  personObject,
  publish,
  verifier,
  type World,
} from './ledger-world.ts';

let network: FabricNetwork;
test.before(async () => {
  network = await fabricNetwork();
});
test.after.always(() => network?.close());

interface Bed {
  world: World;
  channel: Channel;
  told: string[];
  faults: Faults;
}

let channels = 0;

async function bedOf(t: ExecutionContext, change: object = {}, more: Partial<MirrorOptions> = {}): Promise<Bed> {
  const name = `channel${channels++}`;
  const told: string[] = [];
  const profile = await readProfile(await network.profile(name, change));
  const source = () => fabricSource(profile, { random: () => 0, tell: (text) => told.push(text) });
  const engine = (ledger: EmbeddedLedger, dir: string) =>
    mirrored(source(), ledger, {
      ...{ folder: join(dir, 'ledger'), mirrorMsMax: 60_000, tell: (text: string) => told.push(text) },
      ...more,
    });
  const world = await newWorld({ quorum: 1, engine });
  t.teardown(() => world.end());
  return { world, channel: network.channel(name), told, faults: network.gateway.faults };
}

/** Every statement of the channel's blocks, in order. */
function statements(channel: Channel): Uint8Array[] {
  const ours = { chaincode: 'countersign', ledger: 'main' };
  return channel.blocks.flatMap((block) => finalBlock(block, ours).transactions.flatMap((one) => one.statements));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const serial = test.serial;

serial('a release goes through two organisations, and every read is our own', async (t) => {
  const { world, channel } = await bedOf(t);
  await addProduct(world);
  const release = await publish(world, 1);
  t.is((await world.ledger.receipt(release.leaf)).head.head.size, 8);
  t.deepEqual((await world.ledger.entries(0, 100)).slice(0, -1), statements(channel));
  const audit = await auditFolder(join(world.dir, 'ledger'), { verifier, trust: world.rootBytes });
  t.true(audit.ok, audit.note);
  const [vendor, auditor] = [...channel.states.values()].map((state) => state.range('\u0000', '\u0001').length);
  t.true(vendor! > 8 && vendor === auditor, 'both organisations hold the same state');
});

serial("an endorser's refusal is the contract's own, with its code", async (t) => {
  const { world, told } = await bedOf(t);
  await addProduct(world);
  const again = await enrolment('alice', ['engineer'], newSigner(), world.people.bob!);
  const error = await t.throwsAsync(world.ledger.submit(again));
  t.is(codeOf(error), 'CONFLICT');
  t.notRegex(error!.message, /chaincode response/);
  t.deepEqual(told, [], 'and is not tried again');
});

serial('transactions that met in one block are endorsed anew until each has its place', async (t) => {
  const { world, channel, told } = await bedOf(t);
  const { alice, bob } = world.people;
  const carol = newSigner();
  await world.ledger.submit(await enrolment('carol', ['engineer'], carol, alice!));
  await act(world, bob!, 'approve', personObject('carol'));
  channel.held = true;
  const revocation = act(world, alice!, 'revoke', personObject('carol'), revokeArgs('person', utf8('carol'), 'left'));
  await until(() => channel.waiting === 1);
  // Endorsed while Carol's entry was as it was, and behind the transaction that changes it.
  const product = act(world, carol, 'product', PRODUCT_OBJECT, productArgs(PRODUCT));
  await until(() => channel.waiting === 2);
  channel.held = false;
  channel.cut();
  t.deepEqual([(await revocation).leafIndex, (await product).leafIndex], [5, 6]);
  t.regex(told.join(), /^tried again: Fabric found the transaction invalid \(11\)$/);
});

serial('a peer that does not answer is asked again, and an answer that was lost doubles nothing', async (t) => {
  const { world, channel, told, faults } = await bedOf(t);
  const tries = () => told.filter((text) => text.startsWith('tried again')).length;
  faults.unavailable = 3;
  await addProduct(world);
  t.is(told.length, 3);
  faults.statusLost = 1;
  const carol = await enrolment('carol', ['engineer'], newSigner(), world.people.alice!);
  await world.ledger.submit(carol);
  t.is(tries(), 4);
  t.is(statements(channel).filter((one) => Buffer.from(one).equals(carol)).length, 1);
  faults.unavailable = 1_000;
  const before = tries();
  t.is(codeOf(await t.throwsAsync(publish(world, 1))), 'UNREACHABLE');
  t.is(tries() - before, TRIES_MAX - 1);
  faults.unavailable = 0;
});

serial('an organisation that has no peer endorses nothing', async (t) => {
  const error = await t.throwsAsync(bedOf(t, { endorsers: ['VendorMSP', 'NobodyMSP'] }));
  t.is(codeOf(error), 'UNREACHABLE');
  t.regex(error!.message, /NobodyMSP/);
});

serial('the stream of blocks may break anywhere', async (t) => {
  const { world, channel, told, faults } = await bedOf(t);
  faults.streamCuts = 3;
  await addProduct(world);
  const devices = Array.from({ length: 12 }, newDevice);
  await enrolDevices(world, devices);
  await Promise.all(devices.map(async (device) => world.ledger.submit(await nextReport(device))));
  faults.streamCuts = 0;
  t.true(
    told.some((text) => /no answer .* for its blocks/.test(text)),
    told.join('\n'),
  );
  t.deepEqual(await world.ledger.entries(0, 100), statements(channel));
});

for (const mark of ['with', 'without']) {
  serial(`opened again ${mark} its mark, the mirror goes on where it was`, async (t) => {
    const { world, channel } = await bedOf(t);
    await addProduct(world);
    const first = await publish(world, 1);
    await world.ledger.close();
    if (mark === 'without') await rm(join(world.dir, 'ledger', 'mirror.json'));
    await world.reopen();
    const second = await publish(world, 2, first.leaf);
    const leaves = await world.ledger.entries(0, 100);
    t.deepEqual(
      leaves.filter(
        (leaf) =>
          ![first, second].some(({ block1 }) => leaf.length === block1.length && Buffer.from(leaf).equals(block1)),
      ),
      statements(channel),
    );
  });
}

serial('a channel that was made anew is not taken for the old one', async (t) => {
  const { world, channel } = await bedOf(t);
  await addProduct(world);
  await world.ledger.close();
  channel.blocks.pop();
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'DIVERGED');
});

serial('a change that another chaincode made in ours ends the mirror: it shows no statement', async (t) => {
  const { world, faults } = await bedOf(t);
  faults.through = 'other';
  const error = await t.throwsAsync(addProduct(world));
  faults.through = undefined;
  t.is(codeOf(error), 'DIVERGED');
  t.regex(error!.message, /wrote into countersign without a statement/);
  t.is((world.ledger as MirroredLedger).standing().failure?.code, 'DIVERGED');
  t.is((await world.ledger.entries(0, 10)).length, 3, 'reading goes on');
});

serial('two ledgers on one channel know nothing of each other', async (t) => {
  const { world, channel } = await bedOf(t);
  await addProduct(world);
  const profile = await readProfile(await network.profile(`channel${channels - 1}`, { ledger: 'second' }));
  const engine = (ledger: EmbeddedLedger, dir: string) =>
    mirrored(fabricSource(profile), ledger, { folder: join(dir, 'ledger') });
  const other = await newWorld({ quorum: 1, engine });
  t.teardown(() => other.end());
  await addProduct(other);
  await publish(other, 1);
  t.deepEqual(await world.ledger.entries(0, 100), statements(channel));
  t.is((await other.ledger.entries(0, 100)).length, 8);
});

serial(
  'a peer that is away: the ledger is read, entries are refused in words, and go on when it is back',
  async (t) => {
    const relay = new Relay(network.gateway.address);
    await relay.open();
    t.teardown(() => relay.close());
    const said: string[] = [];
    let heard = () => {};
    const tell = (text: string) => {
      said.push(text);
      heard();
    };
    const saying = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        heard = () => said.some((text) => pattern.test(text)) && resolve();
        heard();
      });
    const { world } = await bedOf(t, { peer: relay.address }, { tell, reconnectMs: 10 });
    await addProduct(world);
    const { root } = (await world.ledger.head()).head;

    // It goes away while it is followed.
    await relay.close();
    await saying(/no answer/);
    said.length = 0;
    await relay.open();
    await saying(/answers again/);

    // It is away at a start.
    await world.ledger.close();
    await relay.close();
    said.length = 0;
    await world.reopen();
    t.deepEqual((await world.ledger.head()).head.root, root);
    const carol = await enrolment('carol', ['engineer'], newSigner(), world.people.alice!);
    const error = await t.throwsAsync(world.ledger.submit(carol));
    t.is(codeOf(error), 'UNREACHABLE');
    const words = `no answer from the Fabric peer ${relay.address} for chaincode countersign of channel`;
    t.true(error!.message.includes(words), error!.message);
    t.regex(error!.message, /: it cannot be reached$/);
    for (const text of said) t.notRegex(text, /UNAVAILABLE|ECONNREFUSED|DEADLINE|grpc/i);
    await relay.open();
    await saying(/answers again/);
    t.truthy(await world.ledger.submit(carol));
  },
);

/** A way to the gateway that can be cut and opened again at the same address. */
class Relay {
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(address: string) {
    const [host, port] = address.split(':');
    this.#target = { host: host!, port: Number(port) };
  }

  get address(): string {
    return `localhost:${this.#port}`;
  }

  async open(): Promise<void> {
    this.#server = createServer((near) => {
      const far = connect(this.#target);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
