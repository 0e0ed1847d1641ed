/**
 * An EVM chain on this machine: gas of each operation, time to an event, and the two experiments of the published
 * contract-and-IPFS system: update time by size of the diff, notification time by number of subscribers.
 */
import { randomBytes } from 'node:crypto';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import { openChain } from '@countersign/broker/ledger/evm/chain';
import { followChain } from '@countersign/broker/ledger/evm/follower';
import { startPosition } from '@countersign/broker/ledger/evm/order';
import { type Anvil, anvilPath, deployOn, minedNow, startAnvil } from '../support/anvil.ts';
import { bench } from '../support/bench.ts';
import {
  confirmedContent,
  confirmOnChain,
  contentServer,
  fetchDiff,
  sha256,
  word,
} from '../support/contract-and-ipfs.ts';

const ROUNDS = 5;
const SIZES = [1024, 16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024, 2 * 1024 * 1024];
const SUBSCRIBERS = [1, 10, 50, 100];

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

if (anvilPath() === undefined) console.error('left out: anvil is not installed for this platform');
else await run(await startAnvil());

async function run(anvil: Anvil): Promise<void> {
  const row = bench('what', 'value', 'unit');
  try {
    await gas(anvil, row);
    await updates(anvil, row);
    await notifications(anvil, row);
  } finally {
    await anvil.stop();
  }
}

type Row = ReturnType<typeof bench>;

async function gas(anvil: Anvil, row: Row): Promise<void> {
  const { chains, gasUsed } = await deployOn(anvil, 3, 2);
  row('gas: deploy', gasUsed, 'gas');
  const [governor, one, two, , brake] = chains as [Chain, Chain, Chain, Chain, Chain];
  const server = await contentServer();
  const cid = await server.add(randomBytes(1000));
  const release = { product: randomBytes(16), sequence: 1, parent: undefined, leaf: randomBytes(32), cid };
  const { proposeGas, voteGas } = await confirmOnChain({ proposer: one, voters: [one, two] }, release);
  row('gas: propose, one CID', proposeGas, 'gas');
  row('gas: vote', voteGas[0]!, 'gas');
  row('gas: vote that confirms', voteGas[1]!, 'gas');
  const used = async (chain: Chain, name: string, ...args: unknown[]) =>
    (await minedNow(chain, await chain.send(name, args))).gasUsed;
  await used(one, 'record', word(randomBytes(32)), word(randomBytes(32)), 1);
  row('gas: batch of 1', await used(one, 'record', word(randomBytes(32)), word(randomBytes(32)), 1), 'gas');
  row('gas: batch of 512', await used(one, 'record', word(randomBytes(32)), word(randomBytes(32)), 512), 'gas');
  row('gas: pause', await used(brake, 'pause', word(release.product), word(new Uint8Array())), 'gas');
  row('gas: resume', await used(governor, 'resume', word(release.product), word(new Uint8Array())), 'gas');
  await server.close();
}

/** From the diff in hand to its bytes at the subscriber: content id, proposal, two votes, event, fetch. */
async function updates(anvil: Anvil, row: Row): Promise<void> {
  for (const bytes of SIZES) {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const { chains, block } = await deployOn(anvil, 2, 2);
      const [subscriber, one, two] = chains as [Chain, Chain, Chain];
      const server = await contentServer();
      const diff = new Uint8Array(randomBytes(bytes));
      const leaf = sha256(diff);
      const begun = performance.now();
      const cid = await server.add(diff);
      const release = { product: leaf.slice(0, 16), sequence: 1, parent: undefined, leaf, cid };
      await confirmOnChain({ proposer: one, voters: [one, two] }, release);
      const told = await confirmedContent(subscriber, block, leaf);
      const got = await fetchDiff(server.url, told!);
      times.push(performance.now() - begun);
      if (Buffer.compare(got, diff) !== 0) throw new Error('other bytes came');
      await server.close();
    }
    row(`update, diff of ${bytes / 1024} KB: median of ${ROUNDS}`, Math.round(median(times)), 'ms');
  }
}

/** From a batch being sent to the last of n subscribers having read it, each over a websocket of its own. */
async function notifications(anvil: Anvil, row: Row): Promise<void> {
  for (const count of SUBSCRIBERS) {
    const { chains, profile, block } = await deployOn(anvil, 1, 1);
    const rpc = anvil.url.replace('http', 'ws');
    const readers = await Promise.all(Array.from({ length: count }, () => openChain({ ...profile(0), rpc })));
    const seen = new Array<number>(count).fill(0);
    let grown = () => {};
    const followers = await Promise.all(
      readers.map(async (chain, i) =>
        followChain({
          chain,
          from: await startPosition(chain, block),
          confirmations: 0,
          pollMs: 60_000, // a push alone wakes them
          async take(events) {
            seen[i]! += events.filter(({ name }) => name === 'Batch').length;
            grown();
          },
          failed: (error) => {
            throw error;
          },
        }),
      ),
    );
    const times: number[] = [];
    for (let n = 1; n <= ROUNDS; n++) {
      const begun = performance.now();
      await chains[1]!.send('record', [word(randomBytes(32)), word(randomBytes(32)), 1]);
      while (seen.some((own) => own < n)) await new Promise<void>((resolve) => (grown = resolve));
      times.push(performance.now() - begun);
    }
    row(`notification, the last of ${count} subscribers: median of ${ROUNDS}`, Math.round(median(times)), 'ms');
    await Promise.all(followers.map((follower) => follower.stop()));
    await Promise.all(readers.map((chain) => chain.close()));
  }
}
