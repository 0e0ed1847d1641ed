/** A ledger whose order comes from outside: nothing skipped, nothing doubled, nothing believed. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { OrderView } from '@countersign/broker/ledger/contract/views';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { Feed } from '@countersign/broker/ledger/mirror/feed';
import {
  isMirror,
  type MirroredLedger,
  type MirrorOptions,
  mirrored,
} from '@countersign/broker/ledger/mirror/mirrored';
import { ownOrder } from '@countersign/broker/ledger/mirror/own-order';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { readSignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { OutsideOrder } from '../support/outside-order.ts';
import {
  addProduct,
  CLASS,
  enrolDevices,
  enrolment,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  publish,
  sha256,
  tx,
  verifier,
  type World,
} from './ledger-world.ts';

const MARK = ['ledger', 'mirror.json'] as const;

interface Bed {
  world: World;
  outside: OutsideOrder;
  /** The mirror as it stands now. */
  mirror(): MirroredLedger;
  stopped: Refusal[];
}

async function bedOf(t: ExecutionContext, more: Partial<MirrorOptions> = {}): Promise<Bed> {
  const outside = new OutsideOrder();
  const stopped: Refusal[] = [];
  const engine = (ledger: EmbeddedLedger, dir: string) =>
    mirrored(outside, ledger, {
      folder: join(dir, 'ledger'),
      mirrorMsMax: 60_000,
      stopped: (reason) => stopped.push(reason),
      reconnectMs: 1,
      ...more,
    });
  const world = await newWorld({ quorum: 1, engine });
  t.teardown(() => world.end());
  return { world, outside, stopped, mirror: () => world.ledger as MirroredLedger };
}

test('leaves are the final entries in the order of the outside engine, and every read is our own', async (t) => {
  const { world, outside } = await bedOf(t);
  await addProduct(world);
  const release = await publish(world, 1);
  const statements = outside.blocks.flatMap(({ transactions }) => transactions.flatMap((one) => one.statements));
  const leaves = await world.ledger.entries(0, 100);
  t.deepEqual(leaves.slice(0, -1), statements.slice(0, leaves.length - 1), 'and the last leaf is the release');
  t.is(leaves.length, statements.length + 1);
  t.deepEqual(leaves.at(-1), release.block1);
  t.is((await world.ledger.receipt(release.leaf)).head.head.size, leaves.length);
  const audit = await auditFolder(join(world.dir, 'ledger'), { verifier, trust: world.rootBytes });
  t.true(audit.ok, audit.note);
  t.is(audit.entries, leaves.length);
});

test('refuses to begin where devices would need no peer', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const error = await t.throwsAsync(mirrored(new OutsideOrder(), world.ledger, { folder: world.dir }));
  t.is(codeOf(error), 'NO_QUORUM');
});

test('a next trust root is an entry like any other; one that needs no peer ends the mirror', async (t) => {
  const { world, outside, stopped } = await bedOf(t);
  const signed = async (root: TrustRoot) =>
    signedRootOf(sha256, root, [await signRootPayload(sha256, root, world.keys.root)]);
  const second = planNextRoot(verifier, readSignedRoot(sha256, world.rootBytes).root, { headAgeMax: 4_000 });
  await world.ledger.submit(await signed(second));
  await addProduct(world);
  // After a lost mark all of it is compared again, the root among them.
  await world.ledger.close();
  await rm(join(world.dir, ...MARK));
  await world.reopen();
  t.is(outside.blocks.at(-1)!.number, 2);

  const alone = await signed(planNextRoot(verifier, second, { thresholds: { peer: 0 } }));
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(alone))), 'NO_QUORUM');
  t.is(outside.blocks.at(-1)!.number, 2, 'it was not handed over');
  outside.add([[alone]]);
  while (stopped.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.is(stopped[0]!.code, 'NO_QUORUM');
  t.regex(stopped[0]!.message, /trust root 3 demands 0/);
});

test('an entry of another hand arrives in its place; one block of many is taken whole', async (t) => {
  const { world, outside, mirror } = await bedOf(t);
  await addProduct(world);
  const devices = [newDevice(), newDevice(), newDevice()];
  await enrolDevices(world, devices);
  const reports = await Promise.all(devices.map((device) => nextReport(device)));
  const { size } = (await world.ledger.head()).head;
  outside.add([reports.slice(0, 2), reports.slice(2)]);
  await world.ledger.beyond(size, 60_000);
  t.deepEqual(await world.ledger.entries(size, 10), reports);
  t.is(mirror().standing().failure, undefined);
});

test('what the outside engine refuses is refused with its code, and nothing waits for it', async (t) => {
  const { world, outside } = await bedOf(t);
  outside.refuse = new Refusal('CONFLICT', 'the outside contract says no');
  t.is(codeOf(await t.throwsAsync(addProduct(world))), 'CONFLICT');
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(new Uint8Array(3)))), 'MALFORMED');
  outside.refuse = undefined;
  await addProduct(world);
});

for (const [when, prepare] of [
  ['with its mark', async () => {}],
  ['without a mark', (path) => rm(path)],
  ['with a mark that is torn', (path) => writeFile(path, '{"block":')],
  ['with an old mark', (path, old) => writeFile(path, old)],
  ['with a mark of another ledger', (path, old) => writeFile(path, old.replace(/"leaf":"../, '"leaf":"zz'))],
] as [string, (path: string, old: string) => Promise<void>][]) {
  test(`opened again ${when} it neither skips nor doubles an entry`, async (t) => {
    const { world, outside, mirror } = await bedOf(t);
    const path = join(world.dir, ...MARK);
    await addProduct(world);
    const old = await readFile(path, 'utf8');
    const first = await publish(world, 1);
    const before = await world.ledger.entries(0, 100);
    await world.ledger.close();
    // Final while nobody followed, beside what was mirrored already.
    const late = await enrolment('carol', ['engineer'], newSigner(), world.people.alice!);
    outside.add([[], [late]]);
    await prepare(path, old);
    await world.reopen();
    t.deepEqual(await world.ledger.entries(0, 100), [...before, late]);
    t.is(mirror().standing().block, outside.blocks.length - 1);
    await publish(world, 2, first.leaf);
  });
}

test('a crash in the middle of an outside block goes on behind its last entry that is durable', async (t) => {
  const { world, outside } = await bedOf(t);
  await addProduct(world);
  const devices = [newDevice(), newDevice()];
  await enrolDevices(world, devices);
  await world.ledger.close();
  const [one, two] = await Promise.all(devices.map((device) => nextReport(device)));
  const half = { ...outside.add([[one!]]) };
  await world.reopen();
  await world.ledger.close();
  // The same block with its second entry, as if the process had died between the two.
  outside.blocks.pop();
  outside.add([[one!], [two!]]);
  await rm(join(world.dir, ...MARK));
  await world.reopen();
  t.deepEqual((await world.ledger.entries(0, 100)).slice(-2), [one, two]);
  t.not(outside.blocks.at(-1)!.hash, half.hash);
});

test('an entry that the outside engine lets through and the contract refuses stops the mirror and says where', async (t) => {
  const { world, outside, stopped, mirror } = await bedOf(t);
  await addProduct(world);
  const [good, late] = await Promise.all(
    ['carol', 'dora'].map((name) => enrolment(name, ['engineer'], newSigner(), world.people.alice!)),
  );
  const foreign = await tx(newSigner(), { action: 'download', object: new Uint8Array(32) });
  const { size } = (await world.ledger.head()).head;
  const block = outside.add([[good!], [foreign], [late!]]);
  await world.ledger.beyond(size, 60_000);
  const error = await t.throwsAsync(world.ledger.submit(late!));
  t.is(codeOf(error), 'DIVERGED');
  t.regex(error!.message, new RegExp(`block ${block.number} .*transaction 1 .*UNKNOWN_KEY`));
  t.deepEqual(stopped, [mirror().standing().failure!]);
  t.deepEqual(await world.ledger.entries(size, 10), [good], 'what came before it stands, what came behind does not');
  t.truthy(await world.ledger.evaluate('getProduct', Buffer.from(CLASS).toString('hex')));
});

test('a history rewritten outside is noticed, by the block or by the entry', async (t) => {
  const { world, outside } = await bedOf(t);
  await addProduct(world);
  await world.ledger.close();
  const kept = outside.blocks.splice(1);
  outside.add([[await enrolment('carol', ['engineer'], newSigner(), world.people.alice!)]]);
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'DIVERGED');
  await rm(join(world.dir, ...MARK));
  t.is(codeOf(await t.throwsAsync(world.reopen())), 'DIVERGED');
  outside.blocks.splice(1, 1, ...kept);
  await world.reopen();
  t.is((await world.ledger.entries(0, 100)).length, 4);
});

test('a block whose mark could not be written is compared from its first entry when it comes again', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const beginning = await world.ledger.entries(0, 10);
  const outside = new OutsideOrder();
  const first = outside.add([beginning]);
  const second = outside.add([[await enrolment('carol', ['engineer'], newSigner(), world.people.alice!)]]);
  const lost = join(world.dir, 'not-yet');
  const feed = new Feed(world.ledger, join(lost, 'mark.json'));
  for (let tries = 0; tries < 2; tries++) t.is((await t.throwsAsync(feed.take(first)))?.name, 'Error');
  await mkdir(lost);
  await feed.take(first);
  await feed.take(second);
  const { size } = (await world.ledger.head()).head;
  t.is(size, beginning.length + 1);
  t.is(await feed.confirmed(), size);
});

test('refuses to go on where our chain holds more than the outside engine', async (t) => {
  const { world, outside } = await bedOf(t);
  await addProduct(world);
  const release = await publish(world, 1);
  t.is((await world.ledger.entries(7, 2)).length, 1, `the last leaf is the release ${release.leaf.length}`);
  await world.reopen();
  await world.ledger.close();
  outside.blocks.pop();
  await rm(join(world.dir, ...MARK));
  const error = await t.throwsAsync(world.reopen());
  t.is(codeOf(error), 'DIVERGED');
  t.regex(error!.message, /holds 2 entries/);
  t.true(isMirror(join(world.dir, 'ledger')));
});

test('refuses an outside ledger that began with other people', async (t) => {
  const outside = new OutsideOrder();
  await outside.begin([new Uint8Array(40)]);
  const world = await newWorld({ quorum: 1 });
  t.teardown(() => world.end());
  const error = await t.throwsAsync(mirrored(outside, world.ledger, { folder: world.dir }));
  t.is(codeOf(error), 'DIVERGED');
  t.regex(error!.message, /block 0/);
});

test('what is final outside and never comes is answered as not reached', async (t) => {
  const outside = new OutsideOrder();
  const world = await newWorld({ quorum: 1 });
  t.teardown(() => world.end());
  const mirror = await mirrored(outside, world.ledger, { folder: world.dir, mirrorMsMax: 20 });
  outside.submit = async () => {};
  const statement = await tx(world.people.alice!, { channel: ORIGIN, action: 'download', object: new Uint8Array(32) });
  t.is(codeOf(await t.throwsAsync(mirror.submit(statement))), 'UNREACHABLE');
});

test('an engine that is away at a start: what was mirrored is read, and entries go on when it is back', async (t) => {
  const said: string[] = [];
  let heard = () => {};
  const tell = (text: string) => {
    said.push(text);
    heard();
  };
  const { world, outside, stopped } = await bedOf(t, { tell });
  await addProduct(world);
  const before = await world.ledger.entries(0, 100);
  await world.ledger.close();
  outside.away = new Refusal('UNREACHABLE', 'nobody is there');
  await world.reopen();
  t.deepEqual(await world.ledger.entries(0, 100), before);
  const order = async () => ((await world.ledger.evaluate('getOrder')) as OrderView).outside!;
  t.like((await order()).trouble, { code: 'UNREACHABLE', text: 'nobody is there' });
  const carol = await enrolment('carol', ['engineer'], newSigner(), world.people.alice!);
  const error = await t.throwsAsync(world.ledger.submit(carol));
  t.is(codeOf(error), 'UNREACHABLE');
  t.regex(error!.message, /nothing can be logged now: nobody is there/);
  const back = new Promise<void>((resolve) => {
    heard = () => said.at(-1)?.includes('answers again') && resolve();
  });
  outside.away = undefined;
  await back;
  await world.ledger.submit(carol);
  t.deepEqual(await order(), { block: outside.blocks.length - 1, trouble: null });
  t.deepEqual(said, ['nobody is there; asked again until it answers', 'the outside engine answers again']);
  t.deepEqual(stopped, []);
});

test('an engine that is away at the first start, and one that stays away, are given up', async (t) => {
  const away = new Refusal('UNREACHABLE', 'nobody is there');
  const outside = new OutsideOrder();
  outside.away = away;
  const alone = await newWorld({ quorum: 1 });
  t.teardown(() => alone.end());
  t.is(await t.throwsAsync(mirrored(outside, alone.ledger, { folder: alone.dir })), away);

  const bed = await bedOf(t, { outageMsMax: 0 });
  await addProduct(bed.world);
  bed.outside.link(away);
  while (bed.stopped.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    bed.outside.link(away);
  }
  t.is(bed.stopped[0]!.code, 'UNREACHABLE');
  t.regex(bed.stopped[0]!.message, /nobody is there, for 0 hours: start this again/);
  t.like(await bed.world.ledger.evaluate('getOrder'), { outside: { trouble: { code: 'UNREACHABLE' } } });
  t.truthy(await bed.world.ledger.head());
});

test('a peer confirms what stands in its own node too, and nothing that stands there otherwise', async (t) => {
  const { world, outside } = await bedOf(t);
  await addProduct(world);
  const own = new OutsideOrder();
  own.blocks.push(...outside.blocks);
  let wake = () => {};
  const order = ownOrder(own, world.ledger, world.dir, () => wake());
  t.teardown(() => order.close());
  const says = async (size: number, text: RegExp | undefined) => {
    for (;;) {
      const moved = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const found = await order.objection(size);
      if (text ? text.test(found ?? '') : found === undefined) return;
      await moved;
    }
  };
  await says(4, undefined);
  const release = await publish(world, 1);
  await says(8, /has 4 of 8 entries/);
  own.blocks.push(...outside.blocks.slice(own.blocks.length, -1));
  own.add([outside.blocks.at(-1)!.transactions[0]!.statements]);
  await says(8, undefined);
  t.deepEqual(await world.ledger.entry(release.leaf), release.block1, 'with the release behind its confirm');
  own.add([[await enrolment('dora', ['engineer'], newSigner(), world.people.alice!)]]);
  await world.ledger.submit(await enrolment('carol', ['engineer'], newSigner(), world.people.alice!));
  await says(9, /^DIVERGED: .*is not entry 8/);
});
