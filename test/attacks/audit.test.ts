/** Ledgers forged by somebody who holds every server key: the audit executes everything again, so none of them passes. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { encodeStoredHead } from '@countersign/broker/ledger/embedded/head-file';
import { type Frame, readFrames } from '@countersign/broker/ledger/embedded/segments';
import {
  type Block,
  type BlockHeader,
  dataHash,
  encodeBlock,
  encodeHeader,
  headOf,
  readBlock,
  signHeader,
} from '@countersign/broker/ledger/log/block';
import { Frontier } from '@countersign/broker/ledger/log/frontier';
import { codeOf } from '@countersign/device-sdk';
import {
  leafHash,
  OPEN,
  rolloutValue,
  type Signer,
  signHead,
  signStatement,
  utf8,
} from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  addProduct,
  enrolDevices,
  newDevice,
  newRelease,
  newWorld,
  nextReport,
  person,
  planOf,
  previousOf,
  publish,
  sha256,
  statementOf,
  tx,
  type World,
} from '../broker/ledger-world.ts';

/** What the forger puts in place of the last block: the rest of it is made to fit and signed with the true keys. */
interface Forgery {
  transactions?: Uint8Array[];
  header?: Partial<BlockHeader>;
  /** Leaves of the block, where they are not those of its transactions. */
  leaves?: Uint8Array[];
  orderer?: Signer;
  log?: Signer;
  /** Another head in the block than in the head file. */
  headTime?: number;
}

type Row = [why: string, where: RegExp, forgery: Forgery];

async function fails(t: ExecutionContext, world: Closed, rows: Row[]): Promise<void> {
  const blocks = await framesOf(world);
  for (const [why, where, forgery] of rows) {
    await forge(world, blocks, forgery);
    const { ok, problems, anchored } = await auditFolder(world.dir, { trust: world.rootBytes });
    t.false(ok || anchored, why);
    t.regex(`${problems[0]?.where} ${problems[0]?.code} ${problems[0]?.text}`, where, why);
  }
  await forge(world, blocks, {});
  t.true((await auditFolder(world.dir)).ok, 'the forger changes nothing: then it is the true ledger');
}

test('a header that says something else than its transactions give', async (t) => {
  const world = await closed(t, async (made) => {
    await addProduct(made);
    const device = newDevice();
    await enrolDevices(made, [device]);
    await made.ledger.submit(await nextReport(device));
  });
  const { header, transactions } = lastOf(await framesOf(world));
  const other = sha256(utf8('other'));
  const more = (leaf: Uint8Array) => ({ leaves: [leafHash(sha256, transactions[0]!), leaf] });
  await fails(t, world, [
    ['another state', /state writes/, { header: { writesHash: other } }],
    ['another index', /index root/, { header: { indexRoot: other } }],
    ['another root', /Merkle root/, { header: { root: other } }],
    ['a leaf more than entries', /tree size/, more(other)],
    ['a leaf of another entry', /Merkle root/, { leaves: [other] }],
    ['a block left out before it', /block before/, { header: { previousHash: other } }],
    ['another number', /expected block 3/, { header: { number: header.number + 1 } }],
    ['a time before the block before', /older/, { header: { time: header.time - 1 } }],
    ['another trust root version', /BAD_HEAD|BAD_BLOCK/, { header: { rootVersion: 2 } }],
    ['another ledger', /origin/, { header: { origin: 'ledger.test/two' } }],
    ['other transactions than the header names', /not those of its header/, { header: { dataHash: other } }],
    ['an orderer of another role', /WRONG_ROLE/, { orderer: world.keys.service }],
    ['a head by another role', /WRONG_ROLE/, { log: world.keys.orderer }],
    ['a head of another time in the block', /another tree, time/, { headTime: header.time + 1 }],
  ]);
});

test('entries dropped, repeated, exchanged, or of another ledger', async (t) => {
  const world = await closed(t, async (made) => {
    await addProduct(made);
    const devices = [newDevice(), newDevice()];
    await enrolDevices(made, devices);
    const reports: Uint8Array[] = [];
    for (const device of devices) for (let i = 0; i < 2; i++) reports.push(await nextReport(device));
    await Promise.all(reports.slice(0, 2).map((report) => made.ledger.submit(report)));
    await Promise.all(reports.slice(2).map((report) => made.ledger.submit(report)));
  });
  const { transactions } = lastOf(await framesOf(world));
  const [first, second] = [transactions[0]!, transactions[1] ?? transactions[0]!];
  const foreign = await tx(world.people.alice!, {
    channel: 'ledger.test/two',
    action: 'approve',
    object: sha256(first),
  });
  await fails(t, world, [
    ['the first dropped', /BAD_COUNTER/, { transactions: [second] }],
    ['the two exchanged', /transaction 0: BAD_COUNTER/, { transactions: [second, first] }],
    ['one twice', /transaction 1: DUPLICATE/, { transactions: [first, first] }],
    ['one of another ledger', /BAD_STATEMENT/, { transactions: [first, foreign] }],
    ['none', /0 transactions/, { transactions: [] }],
    ['bytes that are no entry', /MALFORMED/, { transactions: [first, utf8('entry')] }],
    [
      'an acknowledgement',
      /WRONG_TYPE/,
      { transactions: [first, await signStatement(sha256, 'ack', [1], world.keys.command)] },
    ],
  ]);
});

test('a confirmation without its approval, and a release that nobody confirmed', async (t) => {
  let confirm = new Uint8Array();
  let block1 = new Uint8Array();
  let approval = new Uint8Array();
  const world = await closed(t, async (made) => {
    await addProduct(made);
    const release = await newRelease(made, 1);
    await act(made, made.people.alice!, 'upload', release.leaf, release.args);
    const previous = await previousOf(made, release.leaf);
    confirm = new Uint8Array(await tx(made.keys.service, { action: 'confirm', object: release.leaf, previous }));
    approval = new Uint8Array(await tx(made.people.alice!, { action: 'approve', object: release.leaf, previous }));
    block1 = new Uint8Array(release.block1);
    await act(made, made.people.bob!, 'reject', release.leaf, ['not this one']);
  });
  await fails(t, world, [
    [
      'confirmed without approval',
      /NOT_APPROVED/,
      { transactions: [confirm], leaves: [leafHash(sha256, confirm), leafHash(sha256, block1)] },
    ],
    ['approved by the uploader', /NOT_PERMITTED|SAME_PERSON/, { transactions: [approval] }],
    ['block 1 as an entry of its own', /WRONG_TYPE/, { transactions: [block1] }],
    [
      'block 1 as a leaf behind the rejection',
      /tree size/,
      { leaves: [leafHash(sha256, lastOf(await framesOf(world)).transactions[0]!), leafHash(sha256, block1)] },
    ],
  ]);
});

test('a rollout that no person signed', async (t) => {
  let opened = new Uint8Array();
  const world = await closed(t, async (made) => {
    await addProduct(made);
    const plan = planOf(await publish(made, 1));
    opened = new Uint8Array(
      await signStatement(sha256, 'rollout', rolloutValue(statementOf(plan, 1, OPEN)), made.keys.command),
    );
    await person(made, plan, 'open');
  });
  await fails(t, world, [['opened by the command key alone', /NOT_FOUND/, { transactions: [opened] }]]);
});

test('another trust root as entry 0 passes by itself, and never with the one from outside', async (t) => {
  const [ours, theirs] = [await closed(t, addProduct), await closed(t, addProduct)];
  t.true((await auditFolder(theirs.dir)).ok);
  const audit = await auditFolder(theirs.dir, { trust: ours.rootBytes });
  t.deepEqual(
    audit.problems.map(({ code, where }) => [code, where]),
    [['BAD_ROOT', 'entry 0']],
  );
  const head = await readFile(join(ours.dir, 'ledger/head'));
  t.deepEqual(
    (await auditFolder(theirs.dir, { head })).problems.map(({ code }) => code),
    ['UNKNOWN_KEY'],
  );
});

test('what follows an unfinished block is no ledger: the engine refuses it, and the audit says so', async (t) => {
  const world = await closed(t, addProduct);
  const path = join(world.dir, 'ledger/0000000000.blocks');
  const whole = await readFile(path);
  await writeFile(path, Buffer.concat([whole, Buffer.from([0, 0])]));
  t.true((await auditFolder(world.dir)).ok, 'an unfinished block alone was promised to nobody');
  await writeFile(join(world.dir, 'ledger/0000000099.blocks'), whole);
  const { problems } = await auditFolder(world.dir);
  t.deepEqual(
    problems.map(({ code }) => code),
    ['TORN'],
  );
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'TORN');
});

type Closed = World & { leaves: Uint8Array[] };

async function closed(t: ExecutionContext, fill: (world: World) => Promise<unknown>): Promise<Closed> {
  const world = await newWorld();
  t.teardown(() => world.end());
  await fill(world);
  const leaves = (await world.ledger.events(0, 1000)).map((event) => event.leafHash);
  await world.ledger.close();
  return Object.assign(world, { leaves });
}

async function framesOf(world: World): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  for await (const frame of readFrames(join(world.dir, 'ledger')))
    blocks.push((frame as Extract<Frame, { bytes: unknown }>).bytes);
  return blocks;
}

function lastOf(blocks: Uint8Array[]): Block {
  return readBlock(blocks.at(-1)!);
}

/** Writes the ledger with its last block forged, and a head file to go with it. */
async function forge(world: Closed, blocks: Uint8Array[], forgery: Forgery): Promise<void> {
  const before = blocks.slice(-2, -1).map(readBlock)[0];
  const last = lastOf(blocks);
  const transactions = forgery.transactions ?? last.transactions;
  const frontier = new Frontier(sha256);
  const own = forgery.leaves ?? transactions.map((bytes) => leafHash(sha256, bytes));
  for (const leaf of [...world.leaves.slice(0, before!.header.treeSize), ...own]) frontier.append(leaf);
  const fits = { dataHash: dataHash(sha256, transactions), treeSize: frontier.size, root: frontier.root() };
  const header: BlockHeader = { ...last.header, ...fits, ...forgery.header };
  const { orderer = world.keys.orderer, log = world.keys.log } = forgery;
  const signature = await signHeader(sha256, encodeHeader(header), orderer);
  const head = await signHead(sha256, { ...headOf(header), time: forgery.headTime ?? header.time }, log);
  const bytes = encodeBlock(header, transactions, signature, head);
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
