/**
 * The ledger's readers on hostile bytes: a value or a Refusal, and nothing else. COUNTERSIGN_FUZZ_SECONDS lengthens the
 * run (default 1, shared), COUNTERSIGN_FUZZ_SEED repeats one.
 */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { readEntry } from '@countersign/broker/ledger/contract/entry';
import { readStoredHead } from '@countersign/broker/ledger/embedded/head-file';
import { readFrames } from '@countersign/broker/ledger/embedded/segments';
import { readBlock } from '@countersign/broker/ledger/log/block';
import { OutsideHead } from '@countersign/broker/ledger/outside-head';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  publish,
  sha256,
  type World,
} from '../broker/ledger-world.ts';

const SECONDS = Number(process.env.COUNTERSIGN_FUZZ_SECONDS ?? 1);
const SEED = process.env.COUNTERSIGN_FUZZ_SEED ?? '1';
const BLOCKS = '0000000000.blocks';

test.serial('entries, blocks and heads from a stranger end in a value or a Refusal', async (t) => {
  const world = await smallLedger();
  t.teardown(() => world.end());
  const entries = await world.ledger.entries(0, 100);
  const head = new Uint8Array(await readFile(join(world.dir, 'ledger/head')));
  const blocks: Uint8Array[] = [];
  for await (const frame of readFrames(join(world.dir, 'ledger'))) if ('bytes' in frame) blocks.push(frame.bytes);
  const readers: [string, Uint8Array[], (bytes: Uint8Array) => unknown][] = [
    ['readEntry', entries, (bytes) => readEntry(sha256, bytes)],
    ['readBlock', blocks, readBlock],
    ['readStoredHead', [head], readStoredHead],
    ['OutsideHead', [head], (bytes) => new OutsideHead(bytes)],
  ];
  for (const [name, samples, read] of readers) {
    const random = new Prng(SEED, name);
    const end = performance.now() + (SECONDS * 250) / readers.length;
    while (performance.now() < end) {
      const input = hostile(samples[random.below(samples.length)]!, random);
      try {
        read(input);
      } catch (error) {
        if (!(error instanceof Refusal)) t.fail(`${name}: ${String(error)} on ${hex(input)}`);
      }
    }
  }
  t.pass();
});

test.serial('a running ledger answers hostile statements with a Refusal and goes on', async (t) => {
  const world = await smallLedger();
  t.teardown(() => world.end());
  const entries = await world.ledger.entries(1, 100);
  const { head } = await world.ledger.head();
  const random = new Prng(SEED, 'submit');
  const end = performance.now() + SECONDS * 400;
  let refused = 0;
  while (performance.now() < end) {
    const input = hostile(entries[random.below(entries.length)]!, random);
    const error = await t.throwsAsync(world.ledger.submit(input));
    if (codeOf(error) === 'INTERNAL') t.fail(`${String(error)} on ${hex(input)}`);
    refused++;
  }
  t.true(refused > 20);
  t.is((await world.ledger.head()).head.size, head.size);
});

test.serial('an audit of damaged files names problems and never breaks off', async (t) => {
  const world = await smallLedger();
  t.teardown(() => world.end());
  await world.ledger.close();
  const dir = await mkdtemp(join(tmpdir(), 'countersign-fuzz-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const good = new Uint8Array(await readFile(join(world.dir, 'ledger', BLOCKS)));
  await copyFile(join(world.dir, 'ledger/head'), join(dir, 'head'));
  const random = new Prng(SEED, 'audit');
  const end = performance.now() + SECONDS * 400;
  while (performance.now() < end) {
    const bad = hostile(good, random);
    await writeFile(join(dir, BLOCKS), bad);
    const { ok, problems } = await auditFolder(dir);
    t.is(ok, problems.length === 0);
    const unnamed = problems.find(({ code, where }) => code === 'INTERNAL' || where === '');
    if (unnamed) t.fail(`${JSON.stringify(unnamed)} on ${hex(bad)}`);
  }
});

async function smallLedger(): Promise<World> {
  const world = await newWorld();
  await addProduct(world);
  await publish(world, 1);
  const device = newDevice();
  await enrolDevices(world, [device]);
  await world.ledger.submit(await nextReport(device));
  return world;
}

/** Flipped bytes, a cut, a doubled or a foreign piece; sometimes nothing but noise. Never the sample itself. */
function hostile(sample: Uint8Array, random: Prng): Uint8Array {
  const kind = random.below(5);
  if (kind === 0) return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  if (kind === 1) return sample.slice(0, random.below(sample.length));
  const bytes = sample.slice();
  const at = random.below(bytes.length);
  if (kind === 2) return Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(Math.max(0, at - 9))]);
  for (let i = 0; i <= random.below(4); i++) bytes[random.below(bytes.length)]! ^= 1 + random.below(255);
  if (bytes.every((byte, i) => byte === sample[i])) bytes[at]! ^= 1;
  return bytes;
}
