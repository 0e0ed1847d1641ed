/** Diff, content id, index, event, fetch, apply: the sequence that was published, step by step on real images. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyDelta, makeDelta } from '@countersign/broker/delta/index';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import test from 'ava';
import { anvilPath, deployOn, startAnvil } from '../support/anvil.ts';
import {
  confirmedContent,
  confirmOnChain,
  contentServer,
  fetchDiff,
  sha256,
  word,
} from '../support/contract-and-ipfs.ts';
import { repository } from '../support/repository.ts';

const image = (name: string) =>
  new Uint8Array(readFileSync(join(repository, 'firmware-samples/images', `${name}.bin`)));

test('a diff goes by the chain and by content from one release to the next', async (t) => {
  if (anvilPath() === undefined) {
    t.log('left out: anvil is not installed for this platform');
    return t.pass();
  }
  const anvil = await startAnvil();
  const server = await contentServer();
  t.teardown(() => anvil.stop());
  t.teardown(server.close);
  const { chains, block } = await deployOn(anvil, 3, 2);
  const [subscriber, one, two] = chains as [Chain, Chain, Chain];
  const [old, fresh] = [image('pump-monitor-3.0.0'), image('pump-monitor-3.0.1')];
  // 1 the diff, 2 its content id
  const { delta: container } = makeDelta(old, fresh, { class: 'M' });
  const cid = await server.add(container);
  const product = sha256(Buffer.from('pump-monitor')).slice(0, 16);
  const leaf = sha256(fresh);
  t.is(await confirmedContent(subscriber, block, leaf), undefined, 'before the votes nobody hears of it');
  // 3 proposal, votes, the index
  await confirmOnChain({ proposer: one, voters: [one, two] }, { product, sequence: 1, parent: undefined, leaf, cid });
  t.is(await subscriber.read('versions', [word(product), 1n]), word(leaf));
  // 4 the event with the CID
  const told = await confirmedContent(subscriber, block, leaf);
  t.is(String(told), String(cid));
  // 5 fetched from a gateway, every block checked; 6 applied, and the result is the release that was voted for
  const updated = applyDelta(await fetchDiff(server.url, told!), old);
  t.deepEqual(sha256(updated), leaf);
});
