/** On a real EVM node: rules of the contract that all engines share, a chain that forgets, a node that is away. */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { openEvm } from '@countersign/broker/ledger/evm/open';
import test from 'ava';
import { type Anvil, anvilPath, deployOn, startAnvil } from '../support/anvil.ts';
import { contractSuite } from './engines/contract-suite.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  publish,
  type World,
  type WorldOptions,
} from './ledger-world.ts';

let anvil: Anvil | undefined;
test.before(async () => {
  if (anvilPath() !== undefined) anvil = await startAnvil();
});
test.after.always(() => anvil?.stop());

/** A world on a contract of its own. */
async function onChain(node: Anvil, options: WorldOptions = {}, more: Record<string, unknown> = {}): Promise<World> {
  const { profile } = await deployOn(node, 1, 1);
  const own = profile(1, more);
  const engine = (ledger: EmbeddedLedger, dir: string) =>
    openEvm(ledger, join(dir, 'ledger'), own, { tell: () => {}, stopped: (why) => console.error(why.message) });
  return newWorld({ quorum: 1, engine, ...options });
}

if (anvilPath() === undefined) {
  test('EVM: left out, anvil is not installed for this platform', (t) => t.pass());
} else {
  // Accounts have one order of nonces each, and all worlds share account 1: one world at a time.
  let before: Promise<unknown> = Promise.resolve();
  const engine = {
    name: 'EVM',
    knowsLogSize: true,
    async newWorld(options?: WorldOptions) {
      const mine = before;
      let done = () => {};
      before = new Promise<void>((resolve) => (done = resolve));
      await mine;
      const world = await onChain(anvil!, options);
      return Object.assign(world, { end: chained(world.end, done) });
    },
  };
  // An upload out of sequence is refused by the chain at once and by our contract at the confirm, so the rule about that is
  // not the same here.
  contractSuite(engine, ['an approval is by another person, and confirm follows the rule']);

  test.serial('what a reorganisation within the depth throws out is sent again, and nothing is doubled', async (t) => {
    const own = await startAnvil({ args: ['--block-time', '1'] });
    const world = await onChain(own, {}, { confirmations: 3, pollMs: 100 });
    t.teardown(() => own.stop());
    t.teardown(() => world.end());
    await addProduct(world);
    const device = newDevice();
    await enrolDevices(world, [device]);
    const reported = world.ledger.submit(await nextReport(device));
    const before = BigInt((await own.rpc('eth_blockNumber')) as string);
    while (BigInt((await own.rpc('eth_blockNumber')) as string) <= before) await pause(50);
    await own.rpc('anvil_reorg', [2, []]);
    t.truthy(await reported);
    const { size } = (await world.ledger.head()).head;
    await world.reopen();
    t.is((await world.ledger.head()).head.size, size);
  });

  test.serial('a node that goes away and comes back costs waiting, and no entry', async (t) => {
    const folder = join(tmpdir(), `countersign-anvil-${process.pid}.json`);
    const args = ['--state', folder];
    let own = await startAnvil({ args });
    const { port } = own;
    const world = await onChain(own, {}, { pollMs: 50 });
    t.teardown(() => rm(folder, { force: true }));
    t.teardown(() => own.stop());
    t.teardown(() => world.end());
    await addProduct(world);
    const device = newDevice();
    await enrolDevices(world, [device]);
    await own.stop('SIGINT'); // it writes its state down
    let answered = false;
    const reported = nextReport(device)
      .then((report) => world.ledger.submit(report))
      .finally(() => (answered = true));
    await pause(500);
    t.false(answered);
    own = await startAnvil({ args, port });
    t.truthy(await reported);
    t.truthy(await world.ledger.receipt((await publish(world, 1)).leaf));
  });
}

function chained(end: () => Promise<void>, then: () => void): () => Promise<void> {
  return async () => {
    await end();
    then();
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
