/** What people, devices and plans may not do, by the rule of the contract; ledgers that were forged with every key. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import {
  downloadArgs,
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  productArgs,
  rejectArgs,
  revokeArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { encodeStoredHead } from '@countersign/broker/ledger/embedded/head-file';
import { type Frame, readFrames } from '@countersign/broker/ledger/embedded/segments';
import {
  type BlockHeader,
  dataHash,
  encodeBlock,
  encodeHeader,
  headOf,
  readBlock,
  signHeader,
} from '@countersign/broker/ledger/log/block';
import { Frontier } from '@countersign/broker/ledger/log/frontier';
import type { Code } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  decodeSign1,
  encodeSign1,
  hex,
  leafHash,
  OPEN,
  PAUSED,
  publicKeyOf,
  type Signer,
  signHead,
  signStatement,
  utf8,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import type { Variant } from '../attack.ts';
import {
  act,
  addProduct,
  command,
  enrolDevices,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT,
  PRODUCT_OBJECT,
  person,
  personObject,
  planOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
  tx,
  VENDOR,
  type World,
} from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const OTHER = new Uint8Array(16).fill(5);
const alice = (world: World) => world.people.alice!;
const bob = (world: World) => world.people.bob!;

async function proposed(world: World, name: string, key = newSigner()): Promise<Signer> {
  await act(
    world,
    alice(world),
    'enrol',
    personObject(name),
    enrolPersonArgs({ name, roles: ['approver'], key: publicKeyOf(key) }),
  );
  return key;
}

const revoke = (world: World, name: string) =>
  act(world, alice(world), 'revoke', personObject(name), revokeArgs('person', utf8(name), 'stolen'));

export const peopleRows: Variant[] = [
  contract('enrols a person under a name that no file may have', 'MALFORMED', async (world) => {
    const args = enrolPersonArgs({ name: '../carol', roles: ['engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('../carol'), args);
  }),
  contract('does with a rollout what the contract does not know', 'MALFORMED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => act(world, bob(world), 'rollout', rolloutObject(plan), ['explode', plan.rolloutId, 'x']);
  }),
  contract('uploads a block 1 that carries no digest', 'MALFORMED', async (world) => {
    const release = await newRelease(world, 1);
    const block1 = encodeSign1({ ...decodeSign1(release.block1), payload: new Uint8Array(9) });
    const args = uploadArgs({ block1, manifest: release.manifest, fileName: 'x', contentId: 'x' });
    return () => act(world, alice(world), 'upload', leafHash(sha256, block1), args);
  }),
  contract(
    'approves a person about whom nothing is proposed',
    'BAD_STATEMENT',
    async (world) => () => act(world, bob(world), 'approve', personObject('alice')),
  ),
  contract(
    'rejects a person about whom nothing is proposed',
    'BAD_STATEMENT',
    async (world) => () => act(world, bob(world), 'reject', personObject('alice'), rejectArgs('x')),
  ),
  contract('enrols a person under another object', 'BAD_STATEMENT', async (world) => {
    const args = enrolPersonArgs({ name: 'carol', roles: ['engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('dora'), args);
  }),
  contract('enrols a person with one role twice', 'BAD_STATEMENT', async (world) => {
    const args = enrolPersonArgs({ name: 'carol', roles: ['engineer', 'engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('carol'), args);
  }),
  contract('revokes a person who is not active', 'BAD_STATEMENT', async (world) => {
    await proposed(world, 'carol');
    return () => revoke(world, 'carol');
  }),
  contract('proposes a revocation twice', 'EXISTS', async (world) => {
    for (const name of ['carol', 'dora']) {
      await proposed(world, name);
      await act(world, bob(world), 'approve', personObject(name));
    }
    await revoke(world, 'carol');
    return () => revoke(world, 'carol');
  }),
  contract('revokes a person whom nobody knows', 'NOT_FOUND', async (world) => () => revoke(world, 'nobody')),
  contract('signs a transaction with a device’s key', 'WRONG_ROLE', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const release = await newRelease(world, 1);
    return () => act(world, device.signer, 'upload', release.leaf, release.args);
  }),
  contract(
    'makes a product again',
    'EXISTS',
    async (world) => () => act(world, alice(world), 'product', PRODUCT_OBJECT, productArgs(PRODUCT)),
  ),
  contract(
    'makes a product under another object',
    'BAD_STATEMENT',
    async (world) => () =>
      act(world, alice(world), 'product', sha256(PRODUCT_OBJECT), productArgs({ ...PRODUCT, name: 'toaster' })),
  ),
  product('makes a product with frames of one byte', { frameBytes: 1 }),
  product('makes a product without a slot', { slotBytes: 0 }),
  product('makes a product that needs no approval', { approvals: 0 }, 'MALFORMED'),
  contract(
    'logs a download of what is not there',
    'NOT_FOUND',
    async (world) => () =>
      act(world, world.keys.service, 'download', sha256(utf8('x')), downloadArgs('content', 'collection')),
  ),
  contract('logs a download of other content', 'BAD_STATEMENT', async (world) => {
    const { leaf } = await publish(world, 1);
    const bytes = await tx(world.keys.service, {
      action: 'download',
      object: leaf,
      args: downloadArgs('content', 'collection'),
    });
    return () => world.ledger.submit(bytes);
  }),
  contract('logs a statement that is no entry', 'WRONG_TYPE', async (world) => {
    const bytes = await signStatement(sha256, 'ack', [1], world.keys.command);
    return () => world.ledger.submit(bytes);
  }),
  contract('logs a transaction of a megabyte', 'TOO_LARGE', async (world) => {
    const bytes = await tx(alice(world), {
      action: 'upload',
      object: sha256(utf8('x')),
      args: [new Uint8Array(1 << 20)],
    });
    return () => world.ledger.submit(bytes);
  }),
];

function product(how: string, change: Partial<typeof PRODUCT>, expect: Code = 'BAD_STATEMENT'): Variant {
  return contract(how, expect, async (world) => {
    const made = { ...PRODUCT, name: 'toaster', ...change };
    const object = objectDigest(sha256, 'product', classId(VENDOR, made.name));
    return () => act(world, alice(world), 'product', object, productArgs(made));
  });
}

/** A plan that could not be carried out as it stands. */
function planned(
  how: string,
  change: (plan: ReturnType<typeof planOf>) => Partial<ReturnType<typeof planOf>>,
): Variant {
  return contract(how, 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    return () => person(world, { ...plan, ...change(plan) }, 'open');
  });
}

const group = (i: number) => ({ root: sha256(utf8(`group ${i}`)) });
const groups = (count: number) => Array.from({ length: count }, (_, i) => group(i));

export const planRows: Variant[] = [
  contract('opens a wave more than the plan has', 'BAD_STATEMENT', async (world) => {
    const release = await publish(world, 1);
    const plan = planOf(release, { waves: planOf(release).waves.slice(0, 1) });
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    return () => command(world, statementOf(plan, 2, OPEN, { cohorts: [{ threshold: 2 ** 32 }] }));
  }),
  planned('plans a wave for nobody', ({ waves }) => ({ waves: [{ ...waves[0]!, cohorts: [] }] })),
  planned('plans a wave of nine groups', ({ waves }) => ({ waves: [{ ...waves[0]!, cohorts: groups(9) }] })),
  planned('plans the same wave twice', ({ waves }) => ({ waves: [waves[0]!, waves[0]!] })),
  planned('plans waves of nine groups together', ({ waves }) => ({
    waves: [
      { ...waves[0]!, cohorts: groups(8) },
      { ...waves[0]!, cohorts: [group(9)] },
    ],
  })),
  planned('plans a window that ends before it starts', () => ({ window: { start: 2, end: 1 } })),
  planned('plans no attempt', () => ({ attemptsMax: 0 })),
  contract('opens a rollout of nothing', 'NOT_FOUND', async (world) => {
    const plan = planOf(await publish(world, 1), { releaseLeaf: sha256(utf8('x')) });
    return () => person(world, plan, 'open');
  }),
  contract('opens a rollout twice', 'EXISTS', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => person(world, plan, 'open');
  }),
  contract('pauses a rollout that is not there', 'NOT_FOUND', async (world) => {
    const plan = planOf(await publish(world, 1));
    return () => person(world, plan, 'pause');
  }),
  contract('repeats a rollout statement', 'DUPLICATE', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    return () => command(world, statementOf(plan, 1, OPEN));
  }),
  contract('pauses a rollout that was never opened', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, PAUSED));
  }),
];

export const deviceRows: Variant[] = [
  contract('enrols devices of a class that is not there', 'NOT_FOUND', async (world) => {
    const args = enrolDevicesArgs({ classId: OTHER, devices: [{ id: newDevice().id, key: publicKeyOf(newSigner()) }] });
    return () => act(world, world.keys.service, 'enrol', objectDigest(sha256, 'devices', OTHER), args);
  }),
  contract('enrols a revoked device again', 'REVOKED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    await act(
      world,
      bob(world),
      'revoke',
      objectDigest(sha256, 'device', device.id),
      revokeArgs('device', device.id, 'stolen'),
    );
    return () => enrolDevices(world, [{ ...device, signer: newSigner() }], bob(world));
  }),
  contract('enrols a device of another class again', 'WRONG_CLASS', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const made = { ...PRODUCT, name: 'toaster' };
    const toasters = classId(VENDOR, made.name);
    await act(world, alice(world), 'product', objectDigest(sha256, 'product', toasters), productArgs(made));
    const args = enrolDevicesArgs({ classId: toasters, devices: [{ id: device.id, key: publicKeyOf(newSigner()) }] });
    return () => act(world, bob(world), 'enrol', objectDigest(sha256, 'devices', toasters), args);
  }),
  contract('revokes a device under another object', 'BAD_STATEMENT', async (world) => {
    const [device, other] = [newDevice(), newDevice()];
    await enrolDevices(world, [device, other]);
    return () =>
      act(world, bob(world), 'revoke', objectDigest(sha256, 'device', other.id), revokeArgs('device', device.id, 'x'));
  }),
  contract(
    'revokes a device that is not there',
    'NOT_FOUND',
    async (world) => () =>
      act(world, bob(world), 'revoke', objectDigest(sha256, 'device', OTHER), revokeArgs('device', OTHER, 'x')),
  ),
  contract('revokes a device twice', 'BAD_STATEMENT', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const object = objectDigest(sha256, 'device', device.id);
    await act(world, bob(world), 'revoke', object, revokeArgs('device', device.id, 'x'));
    return () => act(world, bob(world), 'revoke', object, revokeArgs('device', device.id, 'x'));
  }),
  contract('makes a second signature for a report out of the first', 'BAD_SIGNATURE', async (world) => {
    const device = { ...newDevice(), signer: nodeKeyStore(ALG_ESP256, generateKeyPair(ALG_ESP256).secret) };
    await enrolDevices(world, [device]);
    const report = otherSignature(await nextReport(device));
    return () => world.ledger.submit(report);
  }),
];

/** n - s is as good as s for the curve: anybody on the way can make this from a signature. */
function otherSignature(statement: Uint8Array): Uint8Array {
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const sign1 = decodeSign1(statement);
  const [r, s] = [sign1.signature.slice(0, 32), BigInt(`0x${hex(sign1.signature.slice(32))}`)];
  const other = Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex');
  return encodeSign1({ ...sign1, signature: Uint8Array.from([...r, ...other]) });
}

interface Forgery {
  transactions?: Uint8Array[];
  header?: Partial<BlockHeader>;
  leaves?: Uint8Array[];
  orderer?: (world: World) => Signer;
  headTime?: number;
  /** Bytes of the block, changed once more. */
  bytes?: (block: Uint8Array) => Uint8Array;
}

/** A ledger whose last block was made anew by somebody who holds every server key, and an auditor who executes it. */
function forged(how: string, expect: Code, forge: (last: ReturnType<typeof readBlock>) => Forgery): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const device = newDevice();
      await enrolDevices(world, [device]);
      await world.ledger.submit(await nextReport(device));
      const leaves = (await world.ledger.events(0, 1000)).map((event) => event.leafHash);
      await world.ledger.close();
      await rewrite(world, leaves, forge);
      const { ok, problems } = await auditFolder(world.dir, { trust: world.rootBytes });
      return { harm: ok ? 'the audit found nothing' : undefined, codes: problems.slice(0, 1).map(({ code }) => code) };
    },
  };
}

async function rewrite(
  world: World,
  leaves: readonly Uint8Array[],
  make: (last: ReturnType<typeof readBlock>) => Forgery,
) {
  const blocks: Uint8Array[] = [];
  for await (const frame of readFrames(join(world.dir, 'ledger')))
    blocks.push((frame as Extract<Frame, { bytes: unknown }>).bytes);
  const last = readBlock(blocks.at(-1)!);
  const before = readBlock(blocks.at(-2)!);
  const forgery = make(last);
  const transactions = forgery.transactions ?? last.transactions;
  const frontier = new Frontier(sha256);
  const own = forgery.leaves ?? transactions.map((bytes) => leafHash(sha256, bytes));
  for (const leaf of [...leaves.slice(0, before.header.treeSize), ...own]) frontier.append(leaf);
  const fits = { dataHash: dataHash(sha256, transactions), treeSize: frontier.size, root: frontier.root() };
  const header: BlockHeader = { ...last.header, ...fits, ...forgery.header };
  const signature = await signHeader(sha256, encodeHeader(header), forgery.orderer?.(world) ?? world.keys.orderer);
  const head = await signHead(sha256, { ...headOf(header), time: forgery.headTime ?? header.time }, world.keys.log);
  const bytes = (forgery.bytes ?? ((block: Uint8Array) => block))(encodeBlock(header, transactions, signature, head));
  const framed = [...blocks.slice(0, -1), bytes].flatMap((block) => [lengthOf(block), block]);
  await writeFile(join(world.dir, 'ledger/0000000000.blocks'), Buffer.concat(framed));
  const stored = { blockNumber: header.number, blockHash: sha256(bytes), head: headOf(header), signed: head };
  await writeFile(join(world.dir, 'ledger/head'), encodeStoredHead(stored));
}

function lengthOf(block: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(block.length);
  return length;
}

const ELSE = sha256(utf8('else'));

export const forgedRows: Variant[] = [
  forged('writes another state into a block', 'BAD_BLOCK', () => ({ header: { writesHash: ELSE } })),
  forged('writes another class index into a block', 'BAD_BLOCK', () => ({ header: { indexRoot: ELSE } })),
  forged('writes another tree into a block', 'BAD_BLOCK', () => ({ header: { root: ELSE } })),
  forged('adds a leaf that is no entry', 'BAD_BLOCK', (last) => ({
    leaves: [leafHash(sha256, last.transactions[0]!), ELSE],
  })),
  forged('leaves a block out', 'BAD_BLOCK', () => ({ header: { previousHash: ELSE } })),
  forged('leaves a number out', 'BAD_BLOCK', (last) => ({ header: { number: last.header.number + 1 } })),
  forged('dates a block before the one before it', 'BAD_BLOCK', (last) => ({ header: { time: last.header.time - 1 } })),
  forged('names another ledger in a block', 'BAD_BLOCK', () => ({ header: { origin: 'ledger.test/two' } })),
  forged('names another trust root in a block', 'BAD_BLOCK', () => ({ header: { rootVersion: 2 } })),
  forged('names other transactions in a block', 'BAD_BLOCK', () => ({ header: { dataHash: ELSE } })),
  forged('signs a block with a service key', 'WRONG_ROLE', () => ({ orderer: (world) => world.keys.service })),
  forged('signs a head of another time than the block', 'BAD_HEAD', (last) => ({ headTime: last.header.time + 1 })),
  forged('repeats an entry', 'BAD_BLOCK', (last) => ({ transactions: [last.transactions[0]!, last.transactions[0]!] })),
  forged('drops every entry of a block', 'MALFORMED', () => ({ transactions: [] })),
  forged('writes a block in another form', 'MALFORMED', () => ({ bytes: (block) => Uint8Array.from([...block, 0]) })),
];

/** An auditor who was given a head by somebody else. */
function outside(how: string, change: (world: World) => Promise<Uint8Array>): Variant {
  return {
    how,
    expect: 'SPLIT_VIEW',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      await publish(world, 1);
      const head = await change(world);
      await world.ledger.close();
      const { ok, problems } = await auditFolder(world.dir, { trust: world.rootBytes, head });
      return { harm: ok ? 'the audit found nothing' : undefined, codes: problems.slice(0, 1).map(({ code }) => code) };
    },
  };
}

export const outsideRows: Variant[] = [
  outside('showed somebody else another root of the same size', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, root: ELSE }, world.keys.log);
  }),
  outside('showed somebody else another class index', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, indexRoot: ELSE }, world.keys.log);
  }),
  outside('showed somebody else a head in the middle of a block', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, size: head.size - 1 }, world.keys.log);
  }),
];
