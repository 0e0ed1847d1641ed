import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { readFrames } from '@countersign/broker/ledger/embedded/segments';
import type { Verifier } from '@countersign/device-sdk';
import { OPEN } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import {
  addProduct,
  command,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  person,
  planOf,
  publish,
  statementOf,
  verifier,
  type World,
} from './ledger-world.ts';

const BLOCKS = '0000000000.blocks';

/** A ledger with one of everything. */
async function fill(world: World): Promise<void> {
  await addProduct(world);
  const release = await publish(world, 1);
  const plan = planOf(release);
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));
  await fillLittle(world);
}

/** The shortest ledger whose last block is a device's report. */
async function fillLittle(world: World): Promise<void> {
  if ((await world.ledger.head()).head.size === 3) await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  await world.ledger.submit(await nextReport(device));
}

/** Filled and closed; its folder without the index, as an auditor might get it. */
async function closedLedger(t: ExecutionContext, filled = fill) {
  const world = await newWorld();
  await filled(world);
  const { signed } = await world.ledger.head();
  await world.ledger.close();
  const dir = await mkdtemp(join(tmpdir(), 'countersign-audit-'));
  await cp(world.dir, dir, { recursive: true, filter: (path) => !path.endsWith('/index') && !path.endsWith('/lock') });
  await rm(world.dir, { recursive: true });
  t.teardown(() => rm(dir, { recursive: true }));
  return { dir, world, head: signed };
}

/** The same answers, remembered: an audit for each flipped byte asks the same questions a thousand times. */
function remembering(inner: Verifier): Verifier {
  const keys = new Set<string>();
  const answers = new Map<string, boolean>();
  return {
    ...inner,
    checkKey(alg, key) {
      const name = `${alg} ${Buffer.from(key).toString('hex')}`;
      if (!keys.has(name)) inner.checkKey(alg, key);
      keys.add(name);
    },
    verify(alg, key, message, signature) {
      const name = [key, inner.sha256(message), signature].map((part) => Buffer.from(part).toString('latin1')).join();
      const known = answers.get(name);
      if (known !== undefined) return known;
      const answer = inner.verify(alg, key, message, signature);
      answers.set(name, answer);
      return answer;
    },
  };
}

test('an untouched ledger passes, and is anchored only by a trust root and a head from outside', async (t) => {
  const { dir, world, head } = await closedLedger(t);
  const alone = await auditFolder(dir);
  t.deepEqual(alone.problems, []);
  t.true(alone.ok);
  t.false(alone.anchored);
  t.is(alone.entries, 12);
  t.regex(alone.note, /^Not anchored/);
  const anchored = await auditFolder(join(dir, 'ledger'), { trust: world.rootBytes, head });
  t.true(anchored.anchored, JSON.stringify(anchored.problems));
  const trusted = await auditFolder(dir, { trust: world.rootBytes });
  t.false(trusted.anchored);
  t.regex(trusted.note, /^Not anchored: .*given trust root, but no head/);
  const contained = await auditFolder(dir, { head });
  t.false(contained.anchored);
  t.regex(contained.note, /^Not anchored: .*given head, but no trust root/);
});

test('a trust root or a head of another ledger is a problem', async (t) => {
  const { dir, world } = await closedLedger(t);
  const other = await closedLedger(t);
  const trust = await auditFolder(dir, { trust: other.world.rootBytes, head: other.head });
  t.false(trust.ok);
  t.deepEqual(trust.problems.map(({ code }) => code).sort(), ['BAD_ROOT', 'SPLIT_VIEW']);
  const nonsense = await auditFolder(dir, { trust: world.rootBytes, head: Uint8Array.of(1, 2, 3) });
  t.deepEqual(
    nonsense.problems.map(({ code }) => code),
    ['BAD_HEAD'],
  );
});

test('a ledger cut back with its head file contradicts a head that was kept elsewhere', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const early = await readFile(join(world.dir, 'ledger/head'));
  await addProduct(world);
  const { signed } = await world.ledger.head();
  await world.ledger.close();
  const frames = [];
  for await (const frame of readFrames(join(world.dir, 'ledger'))) frames.push(frame);
  await truncate(join(world.dir, 'ledger', BLOCKS), frames[1]!.whole.offset);
  await writeFile(join(world.dir, 'ledger/head'), early);
  t.true((await auditFolder(world.dir)).ok, 'without a head from outside nothing can be noticed');
  const audit = await auditFolder(world.dir, { head: signed });
  t.deepEqual(
    audit.problems.map(({ code, where }) => [code, where]),
    [['BAD_HEAD', 'the head from outside']],
  );
});

test('every fourth byte of one block, flipped, is named with its place', async (t) => {
  const { dir } = await closedLedger(t, fillLittle);
  const path = join(dir, 'ledger', BLOCKS);
  const good = await readFile(path);
  const frames = [];
  for await (const frame of readFrames(join(dir, 'ledger'))) frames.push(frame);
  const { whole } = frames.at(-1)!;
  const cached = remembering(verifier);
  const unnamed: number[] = [];
  for (let at = whole.offset; at < whole.offset + whole.length; at += at < whole.offset + 8 ? 1 : 4) {
    await flipped(path, good, at);
    const { ok, problems } = await auditFolder(dir, { verifier: cached });
    const [, first, last] = /bytes (\d+) to (\d+), block 3/.exec(problems[0]?.where ?? '') ?? [];
    // The length in front of the block belongs to it; damage there shows as a block that ends elsewhere.
    const named = at >= Number(first) - 4 && (at <= Number(last) || at < whole.offset + 4);
    if (ok || problems.length !== 1 || !named) unnamed.push(at - whole.offset);
  }
  await writeFile(path, good);
  t.deepEqual(unnamed, []);
  t.true(whole.length > 600);
  t.true((await auditFolder(dir, { verifier: cached })).ok);
});

test('a flipped byte inside a transaction names that transaction', async (t) => {
  const { dir } = await closedLedger(t);
  const path = join(dir, 'ledger', BLOCKS);
  const good = await readFile(path);
  const at = good.indexOf('application/countersign-rollout');
  await flipped(path, good, at + 400 < good.length ? at + 100 : at);
  const { problems } = await auditFolder(dir);
  t.regex(problems[0]!.where, /block 6, transaction 0$/);
  t.is(problems[0]!.code, 'BAD_BLOCK');
});

test('every byte of the head file, flipped, is named', async (t) => {
  const { dir } = await closedLedger(t, fillLittle);
  const path = join(dir, 'ledger/head');
  const good = await readFile(path);
  const cached = remembering(verifier);
  const unnamed: number[] = [];
  for (let at = 0; at < good.length; at++) {
    await flipped(path, good, at);
    const { ok, problems } = await auditFolder(dir, { verifier: cached });
    // A flipped block number may promise blocks that are not there: then the block files end too early.
    const named = problems.some(({ where }) => where === 'head file' || where === 'block files');
    if (ok || !named) unnamed.push(at);
  }
  t.deepEqual(unnamed, []);
});

test('block files and head file cut at any length are noticed', async (t) => {
  const { dir } = await closedLedger(t);
  const cached = remembering(verifier);
  for (const name of [BLOCKS, 'head']) {
    const path = join(dir, 'ledger', name);
    const good = await readFile(path);
    const step = Math.max(1, Math.floor(good.length / 60));
    for (let length = 0; length < good.length; length += step) {
      await writeFile(path, good.subarray(0, length));
      const { ok, problems } = await auditFolder(dir, { verifier: cached });
      t.false(ok, `${name} cut at ${length}`);
      t.true(['TORN', 'BAD_HEAD'].includes(problems[0]!.code), `${name} cut at ${length}: ${problems[0]!.code}`);
    }
    await writeFile(path, good);
  }
  t.true((await auditFolder(dir, { verifier: cached })).ok);
});

test('an unfinished block beyond the signed head is no problem, and is said', async (t) => {
  const { dir } = await closedLedger(t);
  const path = join(dir, 'ledger', BLOCKS);
  await writeFile(path, Buffer.concat([await readFile(path), Buffer.from([0, 0, 1, 0, 0x83, 1])]));
  const { ok, note } = await auditFolder(dir);
  t.true(ok);
  t.regex(note, /unfinished block/);
});

async function flipped(path: string, good: Buffer, at: number): Promise<void> {
  const bytes = Buffer.from(good);
  bytes[at]! ^= 0xff;
  await writeFile(path, bytes);
}
