/** The ledger on a real EVM node: the way of a release step by step, and what goes wrong on the way. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { makeBatch } from '@countersign/broker/ledger/evm/batches';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import { ComparedSource } from '@countersign/broker/ledger/evm/compared';
import type { ChainStanding } from '@countersign/broker/ledger/evm/member';
import { openEvm } from '@countersign/broker/ledger/evm/open';
import type { EvmProfile } from '@countersign/broker/ledger/evm/profile';
import { isReleaseLeaf } from '@countersign/broker/ledger/mirror/feed';
import { ownOrder } from '@countersign/broker/ledger/mirror/own-order';
import { codeOf, type Refusal } from '@countersign/device-sdk';
import { hex, readSignedRoot, unhex } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { type Anvil, anvilPath, deployOn, minedNow, startAnvil } from '../support/anvil.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import {
  act,
  addProduct,
  CLASS,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  publish,
  sha256,
  verifier,
  type World,
} from './ledger-world.ts';

const bytes32 = (bytes: Uint8Array): `0x${string}` => `0x${hex(bytes).padEnd(64, '0')}`;
const NOTHING = bytes32(new Uint8Array());

interface Bed {
  profile: EvmProfile;
  anvil: Anvil;
  chains: Chain[];
  world: World;
  stopped: Refusal[];
  block: number;
}

/** A ledger on a chain of its own: account 1 records and votes, with `nodes` nodes of which `k` must vote. */
function onChain(title: string, [nodes, k]: [number, number], run: (t: ExecutionContext, bed: Bed) => Promise<void>) {
  test.serial(title, async (t) => {
    if (anvilPath() === undefined) {
      t.log('left out: anvil is not installed for this platform');
      return t.pass();
    }
    const anvil = await startAnvil();
    const stopped: Refusal[] = [];
    const { chains, profile, block } = await deployOn(anvil, nodes, k);
    const own: EvmProfile = profile(1);
    const world = await newWorld({
      quorum: 1,
      engine: (ledger, dir) =>
        openEvm(ledger, join(dir, 'ledger'), own, { tell: () => {}, stopped: (why) => void stopped.push(why) }),
    });
    try {
      await run(t, { profile: own, anvil, chains, world, stopped, block });
    } finally {
      await world.end();
      await anvil.stop();
    }
  });
}

onChain(
  'a release is proposed, voted for and confirmed on the chain, and devices get our own receipt',
  [1, 1],
  async (t, bed) => {
    const { world, chains, block } = bed;
    await addProduct(world);
    const release = await publish(world, 1);
    const one = chains[1]!;
    t.deepEqual(await one.read('heads', [bytes32(CLASS)]), [bytes32(release.leaf), 1n]);
    const logs = await one.logs(block, await one.height());
    const names = logs
      .map(({ name }) => name)
      .filter((name) => ['Proposed', 'Content', 'Voted', 'Confirmed'].includes(name));
    t.deepEqual(names, ['Proposed', 'Content', 'Voted', 'Confirmed']);
    t.is(
      logs.findLast(({ name }) => name === 'Batch')!.args.position,
      logs.at(-1)!.args.position,
      'the confirm is last',
    );
    const { head } = await world.ledger.receipt(release.leaf);
    t.is(head.head.size, (await world.ledger.entries(0, 100)).length);
    const audit = await auditFolder(join(world.dir, 'ledger'), { verifier, trust: world.rootBytes });
    t.true(audit.ok, audit.note);
    // Many reports, one batch or few.
    const devices = [newDevice(), newDevice(), newDevice(), newDevice()];
    await enrolDevices(world, devices);
    const before = (await one.read('batches')) as bigint;
    const reports = await Promise.all(devices.map((device) => nextReport(device)));
    const done = await Promise.all(reports.map((report) => world.ledger.submit(report)));
    t.is(new Set(done.map(({ leafIndex }) => leafIndex)).size, 4);
    t.true(((await one.read('batches')) as bigint) - before < 4n, 'statements that come together share a batch');
    await t.throwsAsync(world.ledger.submit(reports[0]!), { message: /./ }, 'the same report again');
    t.deepEqual(bed.stopped, []);
  },
);

onChain('a restart goes on from its mark, and a lost mark costs time alone', [1, 1], async (t, { world }) => {
  const device = newDevice();
  await addProduct(world);
  await enrolDevices(world, [device]);
  // In one batch with a report: on the chain one after the other, here each in a block of its own.
  const next = planNextRoot(verifier, readSignedRoot(sha256, world.rootBytes).root, { headAgeMax: 4_000 });
  const root = signedRootOf(sha256, next, [await signRootPayload(sha256, next, world.keys.root)]);
  const report = await nextReport(device);
  await Promise.all([root, report].map((entry) => world.ledger.submit(entry)));
  t.is((await world.ledger.head()).head.rootVersion, 2);
  const { head } = await world.ledger.head();
  await world.reopen();
  t.deepEqual((await world.ledger.head()).head.root, head.root);
  await rm(join(world.dir, 'ledger', 'mirror.json'));
  await world.reopen();
  t.deepEqual((await world.ledger.head()).head.root, head.root);
  // As after a copy from peers: the files of the batches are gone, too, and are made again from the entries.
  const batches = join(world.dir, 'ledger', 'batches');
  const files = await readdir(batches, { recursive: true });
  await rm(join(world.dir, 'ledger', 'mirror.json'));
  await rm(batches, { recursive: true });
  await world.reopen();
  t.deepEqual((await readdir(batches, { recursive: true })).sort(), files.sort());
  t.deepEqual((await world.ledger.head()).head.root, head.root);
  const release = await publish(world, 1);
  t.truthy(await world.ledger.receipt(release.leaf));
});

onChain(
  'without the second vote nothing is confirmed; with it the same confirm goes through',
  [2, 2],
  async (t, bed) => {
    const { world, chains } = bed;
    await addProduct(world);
    const error = await t.throwsAsync(publish(world, 1));
    t.is(codeOf(error), 'NOT_APPROVED');
    t.regex(error!.message, /1 of 2 repository nodes/);
    const [, one, two] = chains as [Chain, Chain, Chain];
    const proposed = (await one.logs(0, await one.height())).find(({ name }) => name === 'Proposed')!;
    await minedNow(two, await two.send('vote', [proposed.args.release]));
    t.deepEqual(await two.read('heads', [bytes32(CLASS)]), [proposed.args.release, 1n]);
    const leaf = unhex(String(proposed.args.release).slice(2))!;
    await act(world, world.keys.service, 'confirm', leaf);
    t.truthy(await world.ledger.receipt(leaf));
    t.deepEqual(bed.stopped, []);
  },
);

onChain('under the brake no release is proposed, and reports go on', [1, 1], async (t, { world, chains }) => {
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  const [governor, , , , brake] = chains as [Chain, Chain, Chain, Chain, Chain];
  await minedNow(brake, await brake.send('pause', [bytes32(CLASS), NOTHING]));
  t.is(codeOf(await t.throwsAsync(publish(world, 1))), 'NOT_OPEN');
  t.truthy(await world.ledger.submit(await nextReport(device)));
  await minedNow(governor, await governor.send('resume', [bytes32(CLASS), NOTHING]));
  t.truthy(await world.ledger.receipt((await publish(world, 1)).leaf));
});

onChain('a reorganisation of mirrored blocks stops the ledger, which still answers', [1, 1], async (t, bed) => {
  const { world, anvil } = bed;
  await addProduct(world);
  await anvil.rpc('anvil_reorg', [2, []]);
  await anvil.rpc('anvil_mine', ['0x3']);
  while (bed.stopped.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(bed.stopped[0]!.code, 'DIVERGED');
  t.regex(bed.stopped[0]!.message, /block \d+ was final with hash 0x/);
  t.is(codeOf(await t.throwsAsync(publish(world, 1))), 'DIVERGED');
  t.truthy(await world.ledger.head());
});

onChain(
  'a peer confirms the heads that its own node has batches for, and needs neither files nor an account',
  [1, 1],
  async (t, bed) => {
    const { world, profile } = bed;
    const own = orderOf(t, world, { ...profile, account: undefined });
    await addProduct(world);
    await publish(world, 1);
    const { size } = (await world.ledger.head()).head;
    await own.until(size, (objection) => objection === undefined);
    // A copy that is ahead of the node, by an entry that the chain has not.
    t.regex((await own.order.objection(size + 1))!, new RegExp(`has ${size} of ${size + 1} entries`));
    await own.order.close();
    const again = orderOf(t, world, profile);
    await again.until(size, (objection) => objection === undefined);
  },
);

onChain(
  'a peer signs neither other entries than the chain orders nor a confirm without votes',
  [2, 2],
  async (t, bed) => {
    const { profile } = bed;
    // A ledger that keeps its entries for itself, beside the chain, and a recorder who covers it.
    const world = await newWorld();
    t.teardown(() => world.end());
    await addProduct(world);
    const other = orderOf(t, world, profile);
    t.regex((await other.until(1, ended))!, /^DIVERGED: event \d+ in block \d+ orders other entries/);
    const fresh = await deployOn(bed.anvil, 2, 2);
    const recorder = fresh.chains[1]!;
    const record = async (statements: Uint8Array[]) => {
      const { root, digest } = makeBatch(verifier.sha256, statements);
      await minedNow(recorder, await recorder.send('record', [bytes32(root), bytes32(digest), statements.length]));
    };
    await publish(world, 1);
    const entries = await world.ledger.entries(0, 100);
    const statements = entries.filter((bytes, leaf) => leaf === 0 || !isReleaseLeaf(bytes));
    await record(statements.slice(0, -1));
    const own = orderOf(t, world, fresh.profile(1));
    await own.until(statements.length - 1, (objection) => objection === undefined);
    await record(statements.slice(-1));
    t.regex((await own.until(entries.length, ended))!, /^DIVERGED: .* without the votes of the nodes/);
  },
);

onChain('the verbs of a second node: it sees the release, votes once, pauses and resumes', [2, 2], async (t, bed) => {
  const { world, chains, anvil } = bed;
  await addProduct(world);
  t.is(codeOf(await t.throwsAsync(publish(world, 1))), 'NOT_APPROVED');
  const one = chains[1]!;
  const release = String(
    (await one.logs(bed.block, await one.height())).find(({ name }) => name === 'Voted')!.args.release,
  );
  const common = { rpc: anvil.url, chainId: 31_337, contract: one.address, fromBlock: bed.block };
  const as = async (n: number) => {
    const path = join(world.dir, `account-${n}.json`);
    await writeFile(path, JSON.stringify({ ...common, account: { address: chains[n]!.account, signer: anvil.url } }));
    return ['--evm-profile', path];
  };
  const reader = join(world.dir, 'reader.json');
  await writeFile(reader, JSON.stringify(common));
  const show = async () => (await runJson<ChainStanding>('chain', 'show', '--evm-profile', reader)).json;
  const product = bytes32(CLASS);
  t.deepEqual((await show()).proposed, [{ product, release, sequence: 1, votes: 1 }]);
  const refused = async (code: string, ...args: string[]) => {
    const { code: exit, json } = await runJson('chain', ...args);
    t.deepEqual([exit, (json as { error: { code: string } }).error.code], [1, code], args.join(' '));
  };
  await refused('NOT_PERMITTED', 'vote', release, ...(await as(3)));
  await refused('BAD_REQUEST', 'vote', release, '--evm-profile', reader);
  const paused = await runJson('chain', 'pause', hex(CLASS), ...(await as(4)));
  t.is((paused.json as { product: string }).product, product);
  t.deepEqual((await show()).paused, [product]);
  await refused('NOT_OPEN', 'vote', release, ...(await as(2)));
  await refused('NOT_PERMITTED', 'resume', hex(CLASS), ...(await as(4)));
  t.is((await runJson('chain', 'resume', hex(CLASS), ...(await as(0)))).code, 0);
  const { json } = await runJson('chain', 'vote', release, ...(await as(2)));
  t.like(json, { release, votes: 2, threshold: 2, confirmed: true });
  await refused('DUPLICATE', 'vote', release, ...(await as(2)));
  const { proposed, paused: left } = await show();
  t.deepEqual([proposed, left], [[], []]);
});

const ended = (objection: string | undefined) => objection?.startsWith('DIVERGED') ?? false;

/** A peer's view of a copy; `until` waits for what it says of a head of this size. */
function orderOf(t: ExecutionContext, world: World, profile: EvmProfile) {
  let wake = () => {};
  const source = new ComparedSource(profile, verifier);
  const order = ownOrder(source, world.ledger, join(world.dir, 'ledger'), () => wake());
  t.teardown(() => order.close());
  return {
    order,
    async until(size: number, holds: (objection: string | undefined) => boolean): Promise<string | undefined> {
      for (;;) {
        const changed = new Promise<void>((resolve) => (wake = resolve));
        const objection = await order.objection(size);
        if (holds(objection)) return objection;
        await changed;
      }
    },
  };
}
