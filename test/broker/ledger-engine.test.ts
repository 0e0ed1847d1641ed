import { existsSync } from 'node:fs';
import { cp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { QueryName } from '@countersign/broker/ledger/client';
import { createLedger, type Genesis } from '@countersign/broker/ledger/embedded/create';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { Segments } from '@countersign/broker/ledger/embedded/segments';
import { QUEUE_ENTRIES_MAX } from '@countersign/broker/ledger/embedded/writer';
import { Frontier } from '@countersign/broker/ledger/log/frontier';
import { codeOf } from '@countersign/device-sdk';
import {
  checkConsistency,
  indexLeaf,
  leafHash,
  OPEN,
  publicKeyOf,
  readHead,
  readReceipt,
  rootFromInclusion,
} from '@countersign/device-sdk/format';
import { checkSign1 } from '@countersign/device-sdk/verify';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';
import {
  addProduct,
  CLASS,
  command,
  enrolDevices,
  enrolment,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  person,
  planOf,
  publish,
  sha256,
  statementOf,
  verifier,
  type World,
} from './ledger-world.ts';

test('reads that come at once share one handle of a block file, and closing leaves none open', async (t) => {
  const folder = await temporary(t);
  const segments = new Segments(folder);
  const place = await segments.append(0, Uint8Array.of(1, 2, 3));
  const read = await Promise.all(Array.from({ length: 16 }, () => segments.read(place)));
  for (const bytes of read) t.deepEqual([...bytes], [1, 2, 3]);
  await segments.close();
  t.is(codeOf(await t.throwsAsync(segments.read({ ...place, segment: 7 }))), 'BAD_STORE');
  if (process.platform !== 'linux') return void t.log('open files are counted on Linux alone');
  const open = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  t.deepEqual(
    open.filter((path) => path.startsWith(folder)),
    [],
  );
});

test('a release goes from upload to an announcement whose every proof holds', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const release = await publish(world, 1);
  const plan = planOf(release);
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));

  const { receipt, head, index, rollout } = await world.ledger.announcementProof(CLASS);
  const read = readReceipt(receipt);
  const root = rootFromInclusion(sha256, read.leafIndex, read.signed.fields.size, release.leaf, read.path);
  t.deepEqual(root, head.head.root);
  checkSign1(verifier, read.signed.sign1, read.signed.alg, publicKeyOf(world.keys.log), root, 'receipt');
  const { index: at, size, path } = index.proof;
  t.deepEqual(rootFromInclusion(sha256, at, size, indexLeaf(sha256, index.entry), path), head.head.indexRoot);
  t.deepEqual(index.entry.releaseLeaf, release.leaf);
  t.deepEqual(index.entry.rolloutDigest, sha256(rollout));
  const view = (await world.ledger.evaluate('getRelease', Buffer.from(release.leaf).toString('hex'))) as {
    leafIndex: number;
    state: string;
  };
  t.is(view.state, 'confirmed');
  t.is(view.leafIndex, read.leafIndex);
  t.deepEqual(await world.ledger.entry(release.leaf), release.block1);
});

test('what was acknowledged is there after a restart, with the same answers', async (t) => {
  const { world, devices } = await busyWorld(t);
  const before = await snapshot(world);
  await world.reopen();
  t.deepEqual(await snapshot(world), before);
  t.deepEqual(world.ledger.mended, { cutBytes: 0, replayedBlocks: 0, rebuilt: false });
  await world.ledger.submit(await nextReport(devices[0]!));
});

test('the index is rebuilt from the blocks, and is the same', async (t) => {
  const { world } = await busyWorld(t);
  const before = await snapshot(world);
  await world.ledger.close();
  await rm(join(world.dir, 'ledger/index'), { recursive: true });
  await world.reopen();
  t.true(world.ledger.mended.replayedBlocks > 5);
  t.deepEqual(await snapshot(world), before);

  await world.ledger.close();
  for (const name of await readdir(join(world.dir, 'ledger/index'))) {
    if (name.startsWith('MANIFEST')) await writeFile(join(world.dir, 'ledger/index', name), 'damage');
  }
  await world.reopen();
  t.true(world.ledger.mended.rebuilt);
  t.deepEqual(await snapshot(world), before);
});

test('an index of another ledger is found out and rebuilt', async (t) => {
  const [one, two] = [await busyWorld(t), await busyWorld(t)];
  const before = await snapshot(one.world);
  await one.world.ledger.close();
  await two.world.ledger.close();
  await rm(join(one.world.dir, 'ledger/index'), { recursive: true });
  await cp(join(two.world.dir, 'ledger/index'), join(one.world.dir, 'ledger/index'), { recursive: true });
  await one.world.reopen();
  t.true(one.world.ledger.mended.rebuilt);
  t.deepEqual(await snapshot(one.world), before);
});

test('a torn last block beyond the signed head is cut off, at any length of it', async (t) => {
  const { world, devices } = await busyWorld(t);
  const [blocks, head] = await files(world);
  const whole = { size: blocks.length, head };
  await world.ledger.submit(await nextReport(devices[0]!));
  const [longer] = await files(world);
  await world.ledger.close();
  for (const cut of [1, 3, 4, 5, 100, longer.length - whole.size - 1]) {
    await put(world, longer.subarray(0, whole.size + cut), whole.head);
    await world.reopen();
    t.is(world.ledger.mended.cutBytes, cut);
    t.is((await files(world))[0].length, whole.size);
    await world.ledger.close();
  }
  // Whole in length but with a hole of zeros, as a file system may leave it after a power cut.
  const holed = Buffer.from(longer).fill(0, whole.size + 50, whole.size + 90);
  await put(world, holed, whole.head);
  await world.reopen();
  t.is(world.ledger.mended.cutBytes, longer.length - whole.size);
});

test('a whole block beyond the stored head is kept, and its head signed again', async (t) => {
  const { world, devices } = await busyWorld(t);
  const [, former] = await files(world);
  const { leafHash } = await world.ledger.submit(await nextReport(devices[0]!));
  const [blocks] = await files(world);
  const before = await snapshot(world);
  await world.ledger.close();
  await put(world, blocks, former);
  await world.reopen();
  // The index was ahead of the head file, so it was not believed.
  t.true(world.ledger.mended.rebuilt);
  t.deepEqual(await snapshot(world), before);
  t.truthy((await world.ledger.receipt(leafHash)).receipt);
});

test('inside the signed head nothing is mended: the engine refuses, and leaves the files as they are', async (t) => {
  const { world } = await busyWorld(t);
  const [blocks, head] = await files(world);
  await world.ledger.close();
  const flippedAt = (at: number) => {
    const copy = Buffer.from(blocks);
    copy[at]! ^= 1;
    return copy;
  };
  const cases: [string, string, Uint8Array, Uint8Array][] = [
    ['the last byte missing', 'TORN', blocks.subarray(0, -1), head],
    ['half of the file', 'TORN', blocks.subarray(0, blocks.length / 2), head],
    ['no block at all', 'TORN', new Uint8Array(), head],
    ['the last byte flipped', 'BAD_SIGNATURE', flippedAt(blocks.length - 1), head],
    ['the first length flipped', 'TORN', flippedAt(0), head],
    ['an empty head file', 'BAD_HEAD', blocks, new Uint8Array()],
  ];
  for (const [why, code, badBlocks, badHead] of cases) {
    await put(world, badBlocks, badHead);
    // Without its index the engine reads every block; with it only those that the index has not seen.
    await rm(join(world.dir, 'ledger/index'), { recursive: true });
    const error = await t.throwsAsync(world.reopen(), undefined, why);
    t.is(codeOf(error), code as never, `${why}: ${error?.message}`);
    t.deepEqual(await files(world), [Buffer.from(badBlocks), Buffer.from(badHead)], why);
  }
  await put(world, blocks, head);
  await rm(join(world.dir, 'ledger/head'));
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'BAD_HEAD');
  await put(world, blocks, head);
  await world.reopen();
});

test('blocks go on in a new file, and a missing file is noticed', async (t) => {
  const { world } = await busyWorld(t, { segmentBytesMax: 4_000 });
  const before = await snapshot(world);
  const names = (await readdir(join(world.dir, 'ledger'))).filter((name) => name.endsWith('.blocks')).sort();
  t.true(names.length >= 3, names.join());
  await world.reopen();
  t.deepEqual(await snapshot(world), before);
  await world.ledger.close();
  await rm(join(world.dir, 'ledger/index'), { recursive: true });
  await world.reopen();
  t.deepEqual(await snapshot(world), before);
  t.true((await auditFolder(world.dir)).ok);

  await world.ledger.close();
  await rm(join(world.dir, 'ledger/index'), { recursive: true });
  await rm(join(world.dir, 'ledger', names[1]!));
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'BAD_BLOCK');
  t.is((await auditFolder(world.dir)).problems[0]!.code, 'BAD_BLOCK');
});

test('a ledger is born whole: a second one, other keys or nobody who approves end before anything stands', async (t) => {
  const { world } = await busyWorld(t);
  const { dir, rootBytes, keys, people } = world;
  const genesis = { origin: ORIGIN, rootBytes, ordererSigner: keys.orderer, logSigner: keys.log };
  const alice = await enrolment('alice', ['engineer'], people.alice!);
  const bob = await enrolment('bob', ['approver'], people.bob!);
  const rows: [string, string, Genesis][] = [
    ['dir', 'EXISTS', { ...genesis, people: [alice, bob] }],
    ['one person', 'BAD_BLOCK', { ...genesis, people: [bob] }],
    ['one twice', 'EXISTS', { ...genesis, people: [bob, bob] }],
    [
      'no approver',
      'BAD_STATEMENT',
      { ...genesis, people: [alice, await enrolment('carl', ['operator'], newSigner())] },
    ],
    [
      'signed by another',
      'BAD_SIGNATURE',
      { ...genesis, people: [bob, await enrolment('alice', ['engineer'], people.alice!, people.bob!)] },
    ],
    ['another origin', 'BAD_ROOT', { ...genesis, origin: 'ledger.test/two', people: [alice, bob] }],
    ['swapped keys', 'WRONG_ROLE', { ...genesis, ordererSigner: keys.log, people: [alice, bob] }],
  ];
  for (const [why, code, plan] of rows) {
    const folder = why === 'dir' ? dir : join(dir, 'other');
    const error = await t.throwsAsync(createLedger(folder, plan), undefined, why);
    t.is(codeOf(error), code as never, `${why}: ${error?.message}`);
  }
  t.false(existsSync(join(dir, 'other/ledger')));
});

test('a damaged entry is never given out, though the engine has opened over its index', async (t) => {
  const { world } = await busyWorld(t);
  const [blocks, head] = await files(world);
  await world.ledger.close();
  blocks[blocks.indexOf('application/countersign-rollout') + 60]! ^= 1;
  await put(world, blocks, head);
  await world.reopen();
  t.is(codeOf(await t.throwsAsync(world.ledger.announcementProof(CLASS))), 'BAD_STORE');
});

test('two writers never meet, and a head stored behind the back of one stops it', async (t) => {
  const { world, devices } = await busyWorld(t);
  const options = { ordererSigner: world.keys.orderer, logSigner: world.keys.log };
  t.is(codeOf(await t.throwsAsync(openLedger(world.dir, options))), 'LOCKED');
  const [, head] = await files(world);
  await world.ledger.submit(await nextReport(devices[0]!));
  await writeFile(join(world.dir, 'ledger/head'), head);
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(await nextReport(devices[1]!)))), 'BAD_STORE');
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(await nextReport(devices[2]!)))), 'BAD_STORE');
});

test('keys that the trust root does not name open nothing', async (t) => {
  const { world } = await busyWorld(t);
  await world.ledger.close();
  const { orderer, log } = world.keys;
  const swapped = await t.throwsAsync(openLedger(world.dir, { ordererSigner: log, logSigner: orderer }));
  t.is(codeOf(swapped), 'WRONG_ROLE');
  const stranger = await t.throwsAsync(openLedger(world.dir, { ordererSigner: orderer, logSigner: newSigner() }));
  t.is(codeOf(stranger), 'UNKNOWN_KEY');
  t.is(
    codeOf(await t.throwsAsync(openLedger(join(world.dir, 'none'), { ordererSigner: orderer, logSigner: log }))),
    'NOT_FOUND',
  );
});

test('a head is signed again without a block, later and over the same tree', async (t) => {
  const { world, devices } = await busyWorld(t);
  const before = (await world.ledger.head()).head;
  world.clock.now += 3600;
  await world.ledger.refreshHead();
  const { head, signed } = await world.ledger.head();
  t.deepEqual(head, { ...before, time: before.time + 3600 });
  checkSign1(verifier, readHead(signed).sign1, -19, publicKeyOf(world.keys.log), head.root, 'head');
  // The clock falls back; block and head times do not.
  world.clock.now -= 100_000;
  await world.ledger.submit(await nextReport(devices[9]!));
  t.is((await world.ledger.head()).head.time, head.time);
  await world.reopen();
  t.true((await auditFolder(world.dir)).ok);
});

test('heads are consistent with one another, and every entry has a receipt', async (t) => {
  const { world } = await busyWorld(t);
  const { head } = await world.ledger.head();
  const leaves = (await world.ledger.entries(0, 1000)).map((bytes) => leafHash(sha256, bytes));
  t.is(leaves.length, head.size);
  for (const [i, leaf] of leaves.entries()) {
    const { leafIndex, path } = readReceipt((await world.ledger.receipt(leaf)).receipt);
    t.is(leafIndex, i);
    t.deepEqual(rootFromInclusion(sha256, i, head.size, leaf, path), head.root);
  }
  const frontier = new Frontier(sha256);
  for (const [i, leaf] of leaves.entries()) {
    frontier.append(leaf);
    checkConsistency(
      sha256,
      i + 1,
      head.size,
      frontier.root(),
      head.root,
      await world.ledger.consistency(i + 1, head.size),
    );
  }
  t.is(codeOf(await t.throwsAsync(world.ledger.consistency(1, head.size + 1))), 'BAD_REQUEST');
  t.is(codeOf(await t.throwsAsync(world.ledger.receipt(head.root))), 'NOT_FOUND');
});

test('a follower hears every leaf once and in order, old ones and new ones', async (t) => {
  const { world, devices } = await busyWorld(t);
  const heard: number[] = [];
  let enough = () => {};
  const done = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const { head } = await world.ledger.head();
  const follower = world.ledger.follow(2, ({ leafIndex, bytes, leafHash: hash }) => {
    t.deepEqual(leafHash(sha256, bytes), hash);
    heard.push(leafIndex);
    if (leafIndex === head.size + 9) enough();
  });
  for (const device of devices) await world.ledger.submit(await nextReport(device));
  await done;
  follower.stop();
  t.deepEqual(
    heard,
    Array.from({ length: head.size + 8 }, (_, i) => i + 2),
  );
});

test('reports that come together share blocks, and totals count each device once', async (t) => {
  const { world, devices, rolloutId } = await busyWorld(t);
  const reports = await Promise.all(devices.map((device) => nextReport(device, { rolloutId })));
  const answers = await Promise.all(reports.map((report) => world.ledger.submit(report)));
  t.true(new Set(answers.map(({ blockNumber }) => blockNumber)).size < answers.length);
  await world.ledger.submit(
    await nextReport(devices[0]!, {
      rolloutId,
      result: 8,
      code: 'SELF_TEST_FAILED',
      stages: [['revert', 'SELF_TEST_FAILED']],
    }),
  );
  t.deepEqual(await world.ledger.evaluate('getTotals', Buffer.from(rolloutId).toString('hex')), {
    rolloutId: Buffer.from(rolloutId).toString('hex'),
    trial: 0,
    updated: 9,
    reverted: 1,
    refused: 0,
    codes: { OK: 9, SELF_TEST_FAILED: 1 },
  });
});

test('a refusal of what stands in the same block is heard only after that block is durable', async (t) => {
  const { world, devices } = await busyWorld(t);
  const report = await nextReport(devices[0]!);
  const order: string[] = [];
  const first = world.ledger.submit(report).then(() => order.push('first'));
  const twin = world.ledger.submit(report).catch((error) => order.push(codeOf(error)));
  await Promise.all([first, twin]);
  t.deepEqual(order, ['first', 'DUPLICATE']);
});

test('more than the queue holds is refused as BUSY, and what was taken is written', async (t) => {
  const { world } = await busyWorld(t);
  const device = newDevice();
  await enrolDevices(world, [device]);
  const report = await nextReport(device);
  const answers = await Promise.allSettled(
    Array.from({ length: QUEUE_ENTRIES_MAX + 50 }, () => world.ledger.submit(report)),
  );
  const codes = answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : 'OK'));
  t.is(codes.filter((code) => code === 'BUSY').length, 50);
  t.is(codes.filter((code) => code === 'OK').length, 1);
});

/** A product, a release rolled out, ten devices of which half have reported. */
async function busyWorld(t: ExecutionContext, options = {}) {
  const world = await newWorld(options);
  t.teardown(() => world.end());
  await addProduct(world);
  const plan = planOf(await publish(world, 1));
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));
  const devices = Array.from({ length: 10 }, newDevice);
  await enrolDevices(world, devices);
  for (const device of devices.slice(5)) await world.ledger.submit(await nextReport(device));
  return { world, devices, rolloutId: plan.rolloutId };
}

/** Everything that anybody can ask, as one value. */
async function snapshot({ ledger }: World) {
  const ask = (query: QueryName, ...args: string[]) => ledger.evaluate(query, ...args);
  const lists = ['listProducts', 'listReleases', 'listDevices', 'listPeople', 'listRollouts'] as const;
  return {
    head: (await ledger.head()).head,
    entries: await ledger.events(0, 1000),
    roots: await ledger.roots(1),
    states: await Promise.all(lists.map((query) => ask(query))),
    histories: await Promise.all(
      [Buffer.from(CLASS).toString('hex'), 'alice', 'bob'].map((key) => ask('getHistory', key)),
    ),
    proof: await ledger.announcementProof(CLASS),
  };
}

async function files(world: World): Promise<[Buffer, Buffer]> {
  return [await readFile(join(world.dir, 'ledger/0000000000.blocks')), await readFile(join(world.dir, 'ledger/head'))];
}

async function put(world: World, blocks: Uint8Array, head: Uint8Array): Promise<void> {
  await writeFile(join(world.dir, 'ledger/0000000000.blocks'), blocks);
  await writeFile(join(world.dir, 'ledger/head'), head);
}
