/** Reading the order from a real node: what is lost is read again, what is exchanged is noticed. */
import { type BatchFiles, makeBatch } from '@countersign/broker/ledger/evm/batches';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import { CONTRACT } from '@countersign/broker/ledger/evm/code';
import { followChain } from '@countersign/broker/ledger/evm/follower';
import { type ChainPosition, type OrderedEvent, readOrder, startPosition } from '@countersign/broker/ledger/evm/order';
import type { EvmParts } from '@countersign/broker/ledger/evm/parts';
import type { EvmProfile } from '@countersign/broker/ledger/evm/profile';
import { EvmSource } from '@countersign/broker/ledger/evm/source';
import type { FinalBlock } from '@countersign/broker/ledger/mirror/order';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { encodeFunctionData } from 'viem';
import { ACCOUNTS, type Anvil, anvilPath, deployOn, minedNow, startAnvil } from '../support/anvil.ts';

const hash = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`;
const batch = (chain: Chain, n: number) => chain.send('record', [hash(n), hash(n), 1]);

/** Each test has a chain of its own: a reorganisation would reach into another's. */
function onAnvil(title: string, run: (t: import('ava').ExecutionContext, anvil: Anvil) => Promise<void>): void {
  test.serial(title, async (t) => {
    if (anvilPath() === undefined) {
      t.log('left out: anvil is not installed for this platform');
      return t.pass();
    }
    const anvil = await startAnvil();
    try {
      await run(t, anvil);
    } finally {
      await anvil.stop();
    }
  });
}

const roots = (events: readonly OrderedEvent[]) =>
  events.filter(({ name }) => name === 'Batch').map(({ args }) => Number(args.root));

onAnvil('entries are taken when enough blocks stand on theirs, in order, each once', async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  for (const n of [1, 2, 3]) await minedNow(one, await batch(one, n));
  const start = await startPosition(one, block);
  const shallow = await readOrder(one, start, 2);
  t.deepEqual(roots(shallow.events), [1]);
  await anvil.rpc('anvil_mine', ['0x1']);
  const next = await readOrder(one, shallow.position, 2);
  t.deepEqual(roots(next.events), [2]);
  t.true(next.caughtUp);
  // From the start again: the same, however it is cut into steps.
  const all = await readOrder(one, start, 0);
  t.deepEqual(roots(all.events), [1, 2, 3]);
  t.is(all.position.event, all.events.at(-1)!.position);
});

onAnvil('a reorganisation within the depth changes what is taken, not what was', async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  await minedNow(one, await batch(one, 1));
  await anvil.rpc('anvil_mine', ['0x2']);
  const taken = await readOrder(one, await startPosition(one, block), 2);
  t.deepEqual(roots(taken.events), [1]);
  const lost = await batch(one, 2);
  await minedNow(one, lost);
  await anvil.rpc('anvil_reorg', [1, []]);
  t.is(await one.mined(lost), undefined, 'the block with the batch is gone');
  await anvil.rpc('anvil_mine', ['0x3']);
  const after = await readOrder(one, taken.position, 2);
  t.deepEqual(roots(after.events), []);
  t.true(after.position.block > taken.position.block);
});

onAnvil('a reorganisation deeper than the depth stops the reader, and says where', async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  await minedNow(one, await batch(one, 1));
  await anvil.rpc('anvil_mine', ['0x2']);
  const taken = await readOrder(one, await startPosition(one, block), 1);
  await anvil.rpc('anvil_reorg', [3, []]);
  await anvil.rpc('anvil_mine', ['0x2']);
  const error = await t.throwsAsync(readOrder(one, taken.position, 1), { instanceOf: Refusal });
  t.is((error as Refusal).code, 'DIVERGED');
  t.regex(error!.message, new RegExp(`block ${taken.position.block} was final with hash ${taken.position.hash}`));
});

onAnvil("a node that hides an event is noticed by the contract's numbers", async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  for (const n of [1, 2, 3]) await minedNow(one, await batch(one, n));
  const hiding: Chain = {
    ...one,
    logs: async (from, to) => (await one.logs(from, to)).filter(({ args }) => args.root !== hash(2)),
  };
  const error = await t.throwsAsync(readOrder(hiding, await startPosition(one, block), 0), { instanceOf: Refusal });
  t.is((error as Refusal).code, 'DIVERGED');
  t.regex(error!.message, /event \d+ is missing/);
});

onAnvil('what happened while the node was away is read when it is back', async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  let away = false;
  // The node itself stays, since it keeps nothing: every question of the reader fails as if it were gone.
  const flaky: Chain = {
    ...one,
    async height() {
      if (away) throw new Refusal('UNREACHABLE', 'away');
      return one.height();
    },
  };
  const seen: number[] = [];
  let troubles = 0;
  let grown = () => {};
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise<void>((resolve) => (grown = resolve));
  };
  const follower = followChain({
    chain: flaky,
    from: await startPosition(one, block),
    confirmations: 0,
    pollMs: 10,
    async take(events: readonly OrderedEvent[], _: ChainPosition) {
      seen.push(...roots(events));
      grown();
    },
    link(trouble) {
      if (trouble === undefined) return;
      troubles++;
      grown();
    },
    failed: (error) => t.fail(String(error)),
  });
  await batch(one, 1);
  await until(() => seen.length === 1);
  away = true;
  await until(() => troubles >= 1); // a question that was under way has had its answer
  for (const n of [2, 3, 4]) await minedNow(one, await batch(one, n));
  const before = troubles;
  await until(() => troubles > before);
  t.deepEqual(seen, [1]);
  away = false;
  await until(() => seen.length === 4);
  t.deepEqual(seen, [1, 2, 3, 4]);
  await follower.stop();
});

onAnvil('pushed blocks wake the reader over a websocket, and a closed one loses nothing', async (t, anvil) => {
  const { profile, chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  const { openChain } = await import('@countersign/broker/ledger/evm/chain');
  const pushed = await openChain({ ...profile(1), rpc: anvil.url.replace('http', 'ws') });
  const seen: number[] = [];
  let grown = () => {};
  const follower = followChain({
    chain: pushed,
    from: await startPosition(one, block),
    confirmations: 0,
    pollMs: 60_000, // so that only a push can be what wakes it
    async take(events) {
      seen.push(...roots(events));
      grown();
    },
    failed: (error) => t.fail(String(error)),
  });
  for (const n of [1, 2]) {
    await minedNow(one, await batch(one, n));
    while (seen.length < n) await new Promise<void>((resolve) => (grown = resolve));
  }
  t.deepEqual(seen, [1, 2]);
  await follower.stop();
  await pushed.close();
});

onAnvil("a transaction that reverts in its block is answered with the contract's reason", async (t, anvil) => {
  const { chains } = await deployOn(anvil, 2, 2);
  const [, one, two] = chains as [Chain, Chain, Chain];
  const args = [hash(7), 1n, hash(0), hash(8), hash(9), []];
  await anvil.rpc('evm_setAutomine', [false]);
  const first = await one.send('propose', args);
  // The trial looks at what waits, too, so the second is refused before it costs anything.
  const refused = await t.throwsAsync(two.send('propose', args), { instanceOf: Refusal });
  t.is((refused as Refusal).code, 'EXISTS');
  // Past the trial, as by a race on another node.
  const data = encodeFunctionData({ abi: CONTRACT.abi, functionName: 'propose', args });
  const call = { from: ACCOUNTS[2], to: two.address, data, gas: '0x100000' };
  const sent = (await anvil.rpc('eth_sendTransaction', [call])) as `0x${string}`;
  await anvil.rpc('anvil_mine', ['0x1']);
  await minedNow(one, first);
  const second = { hash: sent, nonce: 0, what: 'propose', again: async () => {} };
  const error = await t.throwsAsync(minedNow(two, second), { instanceOf: Refusal });
  t.is((error as Refusal).code, 'EXISTS');
});

onAnvil('nonces are given one after another, also where nothing is mined between', async (t, anvil) => {
  const { chains, block } = await deployOn(anvil, 1, 1);
  const one = chains[1]!;
  await anvil.rpc('evm_setAutomine', [false]);
  const sent = await Promise.all([1, 2, 3, 4, 5].map((n) => batch(one, n)));
  t.deepEqual(sent.map(({ nonce }) => nonce).sort(), [0, 1, 2, 3, 4]);
  await anvil.rpc('anvil_mine', ['0x1']);
  for (const each of sent) await minedNow(one, each);
  t.is(await one.nonceUsed(), 5);
  const { events } = await readOrder(one, await startPosition(one, block), 0);
  t.deepEqual(roots(events).sort(), [1, 2, 3, 4, 5]);
});

for (const [why, code] of [
  ['a node or gateway that does not answer', 'UNREACHABLE'],
  ['a batch whose file nobody has yet', 'NOT_FOUND'],
] as const)
  test(`a step that breaks off between two blocks for ${why} goes on behind the first of them`, async (t) => {
    const { sha256 } = nodeVerifier();
    const batches = [1, 2].map((n) => makeBatch(sha256, [Uint8Array.of(n)]));
    const blockOf = (number: number) => ({ number, hash: hash(number), time: number });
    const events = batches.map(({ digest, root }, i) => {
      const [block, args] = [3 + i, { position: i + 1, count: 1, digest: `0x${hex(digest)}`, root: `0x${hex(root)}` }];
      return { name: 'Batch', args, block, blockHash: hash(block), index: 0, transaction: hash(100) };
    });
    const chain = {
      height: async () => 9,
      block: async (n: number) => blockOf(n),
      logs: async (from: number, to: number) => events.filter(({ block }) => block >= from && block <= to),
      onBlock: () => () => undefined,
      close: async () => undefined,
    } as Partial<Chain> as Chain;
    let away = true;
    const files: BatchFiles = {
      put: async () => undefined,
      async get(digest) {
        const found = batches.findIndex((one) => hex(one.digest) === hex(digest));
        if (found === 1 && away) {
          away = false;
          throw new Refusal(code, why);
        }
        return batches[found]!.file;
      },
    };
    const profile = { confirmations: 0, pollMs: 1, fromBlock: 0 } as EvmProfile;
    const source = new EvmSource({
      chain,
      files,
      profile,
      verifier: nodeVerifier(),
      rolling: async () => [],
    } as unknown as EvmParts);
    // The reader's own timer keeps no process alive.
    const awake = setInterval(() => undefined, 1_000);
    t.teardown(() => clearInterval(awake));
    const told: [number, number][] = [];
    const failures: unknown[] = [];
    const links: unknown[] = [];
    const link = (trouble?: unknown) => void (trouble && links.push(codeOf(trouble)));
    await new Promise<void>((resolve) => {
      const call = async ({ number, transactions }: FinalBlock) => {
        // Nothing of it is here, as on a mirror: only a file could bring it.
        for (const { statements } of transactions)
          if ('check' in statements) throw new Refusal('NOT_FOUND', statements.name);
        told.push([number, transactions.flatMap(({ statements }) => statements as Uint8Array[]).length]);
        if (number === 9) resolve();
      };
      const failed = (error: unknown) => {
        failures.push(error);
        resolve();
      };
      void source.follow(undefined, call, failed, link).then(({ stop }) => t.teardown(stop));
    });
    t.deepEqual(failures, []);
    t.deepEqual(told, [
      [3, 1],
      [4, 1],
      [9, 0],
    ]);
    t.deepEqual(links, [code]);
  });
