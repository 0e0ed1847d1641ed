/** Every word that people, servers and devices put into the ledger, one value at a time exchanged, and signed rightly. */
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  productArgs,
  rejectArgs,
  revokeArgs,
  rolloutArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { cidOf } from '@countersign/broker/store/cid';
import { codeOf } from '@countersign/device-sdk';
import {
  decode,
  encode,
  encodeRequest,
  OPEN,
  publicKeyOf,
  type Request,
  readRequest,
  readStatement,
  rolloutValue,
  type Signer,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import type { Ground, Variant } from '../attack.ts';
import {
  addProduct,
  CLASS,
  command,
  DEVICES_OBJECT,
  enrolDevices,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT,
  person,
  personObject,
  planOf,
  previousOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
  tx,
  VENDOR,
  type World,
} from '../server/ledger-world.ts';
import { twisted } from './loose.ts';
import { differs } from './twist-codes.ts';

interface Word {
  value: Value;
  /** The whole entry with this value in it. */
  entry(value: Value): Promise<Uint8Array>;
}

/** What is taken all the same is marked with a plus, and the ledger begins anew: the next word finds it as it was. */
function words(what: string, prepare: (world: World) => Promise<Word>): Variant {
  return {
    how: `exchanges every value in ${what}, and signs it`,
    expect: 'held',
    async run(ground) {
      let world = await begun(ground);
      let word = await prepare(world);
      const said: string[] = [];
      for (let i = 0; i < twisted(word.value).length; i++) {
        const code = await world.ledger
          .submit(await word.entry(twisted(word.value)[i]!.value))
          .then(() => undefined, codeOf);
        said.push(code ?? 'TAKEN');
        if (code !== undefined) continue;
        world = await begun(ground);
        word = await prepare(world);
      }
      return { harm: undefined, odd: differs(what, said), codes: [] };
    },
  };
}

async function begun(ground: Ground): Promise<World> {
  const world = await newWorld();
  ground.after(() => world.end());
  await addProduct(world);
  return world;
}

async function acted(world: World, by: Signer, action: string, object: Uint8Array, value: Value): Promise<Word> {
  const previous = await previousOf(world, object);
  return { value, entry: (args) => tx(by, { action, object, previous, args }) };
}

/** The same keys in every run: what is refused may depend on them. */
const KEY = { alg: -19, bytes: publicKeyOf(newSigner()).bytes };
const DEVICE = new Uint8Array(16).fill(0x77);

export const wordRows: Variant[] = [
  words('an enrolment of a person', (world) =>
    acted(
      world,
      world.people.alice!,
      'enrol',
      personObject('carol'),
      enrolPersonArgs({ name: 'carol', roles: ['engineer'], key: KEY }),
    ),
  ),
  words('an enrolment of devices', (world) =>
    acted(
      world,
      world.keys.service,
      'enrol',
      DEVICES_OBJECT,
      enrolDevicesArgs({ classId: CLASS, devices: [{ id: DEVICE, key: KEY }] }),
    ),
  ),
  words('a product', async (world) => {
    const product = { ...PRODUCT, name: 'toaster' };
    const object = objectDigest(sha256, 'product', classId(VENDOR, product.name));
    return acted(world, world.people.alice!, 'product', object, productArgs(product));
  }),
  words('a revocation of a device', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const object = objectDigest(sha256, 'device', device.id);
    return acted(world, world.people.bob!, 'revoke', object, revokeArgs('device', device.id, 'stolen'));
  }),
  words('a rejection', async (world) => {
    const release = await newRelease(world, 1);
    const previous = new Uint8Array(32);
    await world.ledger.submit(
      await tx(world.people.alice!, { action: 'upload', object: release.leaf, previous, args: release.args }),
    );
    return acted(world, world.people.bob!, 'reject', release.leaf, rejectArgs('no'));
  }),
  words('a plan of a rollout', async (world) => {
    const plan = planOf(await publish(world, 1));
    return acted(world, world.people.bob!, 'rollout', rolloutObject(plan), rolloutArgs({ op: 'open', plan }));
  }),
  words('a pause of a rollout', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    const args = rolloutArgs({ op: 'pause', rolloutId: plan.rolloutId, reason: 'a test' });
    return acted(world, world.people.bob!, 'rollout', rolloutObject(plan), args);
  }),
  words('a rollout statement', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    const value = rolloutValue(statementOf(plan, 1, OPEN));
    return { value, entry: (changed) => signStatement(sha256, 'rollout', changed, world.keys.command) };
  }),
  words('a report', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const value = decode(readStatement(await nextReport({ ...device }), 'report').payload);
    return { value, entry: (changed) => signStatement(sha256, 'report', changed, device.signer) };
  }),
  words('a download', async (world) => {
    const release = await publish(world, 1);
    const value = [cidOf(manifestOf(1).image.digest), 'collection'];
    const entry = (args: Value) => tx(world.keys.service, { action: 'download', object: release.leaf, args });
    return { value, entry };
  }),
  requests(),
];

const REQUESTS: Request[] = [
  { id: 1, kind: 1, chainHead: new Uint8Array(32), first: 0, count: 4 },
  { id: 1, kind: 2, from: 1, to: 2 },
  { id: 1, kind: 3, leafHash: new Uint8Array(32), count: 2 },
  { id: 1, kind: 4, from: 1 },
  { id: 1, kind: 5, nonce: new Uint8Array(16) },
  { id: 1, kind: 6 },
];

/** What a device asks of the distribution server. */
function requests(): Variant {
  return {
    how: 'exchanges every value in every kind of request',
    expect: 'held',
    async run() {
      const list = REQUESTS.flatMap((request) => twisted(decode(encodeRequest(request)))).map(({ value }) =>
        encode(value),
      );
      const said = [...list, new Uint8Array(129)].map((bytes) => {
        try {
          readRequest(bytes);
          return 'TAKEN';
        } catch (error) {
          return codeOf(error);
        }
      });
      return { harm: undefined, odd: differs('requests', said), codes: [] };
    },
  };
}
