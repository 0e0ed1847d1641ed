/** The Solidity contract on a real node: nodes, votes, order, pause, batches, and who may do what. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import { CONTRACT } from '@countersign/broker/ledger/evm/code';
import { CONTRACT_ERRORS } from '@countersign/broker/ledger/evm/refusals';
import { Refusal } from '@countersign/device-sdk';
import test from 'ava';
import { ACCOUNTS, type Anvil, anvilPath, deployOn, minedNow, startAnvil } from '../support/anvil.ts';
import { repository } from '../support/repository.ts';

const hash = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`;
const PRODUCT = hash(0xa);
const NOTHING = hash(0);
/** CIDv1, raw, sha2-256 of something. */
const CID = `0x01551220${'ab'.repeat(32)}`;

let anvil: Anvil | undefined;
test.before(async () => {
  if (anvilPath() !== undefined) anvil = await startAnvil();
});
test.after.always(() => anvil?.stop());

/** The code a call is refused with, or 'done' once it stands in a block. */
async function tell(chain: Chain, name: string, ...args: unknown[]): Promise<string> {
  try {
    await minedNow(chain, await chain.send(name, args));
    return 'done';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

const propose = (chain: Chain, sequence: number, parent: number, release: number, cids: string[] = [CID]) =>
  tell(chain, 'propose', PRODUCT, BigInt(sequence), hash(parent), hash(release), hash(release + 0x1000), cids);

test('the committed bytecode is of this source', (t) => {
  const source = readFileSync(join(repository, 'broker/evm/Countersign.sol'));
  t.is(CONTRACT.sourceSha256, createHash('sha256').update(source).digest('hex'), 'run npm run contract');
});

test('every custom error of the contract has its code, and no other', (t) => {
  const errors = CONTRACT.abi.flatMap((item) => (item.type === 'error' ? [item.name] : []));
  t.deepEqual(Object.keys(CONTRACT_ERRORS).sort(), errors.sort());
});

/** Tests on the node; where there is none, that is said. */
function onAnvil(title: string, run: (t: import('ava').ExecutionContext, anvil: Anvil) => Promise<void>): void {
  test.serial(title, async (t) => {
    if (anvil === undefined) {
      t.log('left out: anvil is not installed for this platform');
      return t.pass();
    }
    await run(t, anvil);
  });
}

onAnvil('two of three nodes confirm a release, and the index names it', async (t, node) => {
  const { chains } = await deployOn(node, 3, 2);
  const [, one, two, three] = chains as [Chain, Chain, Chain, Chain];
  t.is(await propose(one, 1, 0, 1), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'done');
  t.deepEqual(await one.read('versions', [PRODUCT, 1n]), NOTHING);
  t.is(await tell(one, 'vote', hash(1)), 'DUPLICATE');
  t.is(await tell(two, 'vote', hash(1)), 'done');
  t.deepEqual(await one.read('versions', [PRODUCT, 1n]), hash(1));
  t.deepEqual(await one.read('heads', [PRODUCT]), [hash(1), 1n]);
  t.is(await tell(three, 'vote', hash(1)), 'DUPLICATE');
});

onAnvil('releases follow one another without a gap, each on the one before', async (t, node) => {
  const { chains } = await deployOn(node, 1, 1);
  const [stranger, one] = chains as [Chain, Chain];
  t.is(await propose(one, 2, 0, 1), 'BAD_CHAIN');
  t.is(await propose(one, 1, 9, 1), 'CONFLICT');
  t.is(await propose(one, 1, 0, 1), 'done');
  t.is(await propose(one, 1, 0, 1), 'EXISTS');
  // A rival for the same place is no crime; it loses its place with the confirmation of the other.
  t.is(await propose(one, 1, 0, 2), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'done');
  t.is(await tell(one, 'vote', hash(2)), 'CONFLICT');
  t.is(await propose(one, 1, 1, 3), 'BAD_CHAIN');
  t.is(await propose(one, 2, 0, 3), 'CONFLICT');
  t.is(await propose(one, 2, 1, 3), 'done');
  t.is(await tell(one, 'vote', hash(3)), 'done');
  t.deepEqual(await one.read('heads', [PRODUCT]), [hash(3), 2n]);
  t.is(await tell(one, 'vote', hash(4)), 'NOT_FOUND');
  t.is(await propose(stranger, 3, 3, 5), 'NOT_PERMITTED');
  t.is(await tell(stranger, 'vote', hash(3)), 'NOT_PERMITTED');
});

onAnvil('a retired node takes its vote along, and its place is never given again', async (t, node) => {
  const { chains } = await deployOn(node, 3, 2);
  const [governor, one, two, three] = chains as [Chain, Chain, Chain, Chain];
  t.is(await propose(one, 1, 0, 1), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'done');
  t.is(await tell(governor, 'retireNode', ACCOUNTS[1]), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'NOT_PERMITTED');
  t.deepEqual(await two.read('standingVotes', [hash(1)]), 0n);
  t.is(await tell(two, 'vote', hash(1)), 'done');
  t.deepEqual(await two.read('heads', [PRODUCT]), [NOTHING, 0n]);
  t.is(await tell(governor, 'retireNode', ACCOUNTS[2]), 'BAD_REQUEST'); // 1 node left, 2 votes needed
  // The same address again: a new place, and the old vote stays dead.
  t.is(await tell(governor, 'enrolNode', ACCOUNTS[1]), 'done');
  t.is(await tell(governor, 'enrolNode', ACCOUNTS[1]), 'EXISTS');
  t.deepEqual(await two.read('standingVotes', [hash(1)]), 1n);
  t.deepEqual(await two.read('nodesEver'), 4);
  t.is(await tell(three, 'settle', hash(1)), 'NOT_APPROVED');
  t.is(await tell(governor, 'setThreshold', 1), 'done');
  t.is(await tell(three, 'settle', hash(1)), 'done');
  t.deepEqual(await two.read('heads', [PRODUCT]), [hash(1), 1n]);
  t.is(await tell(governor, 'setThreshold', 4), 'BAD_REQUEST');
  t.is(await tell(one, 'setThreshold', 1), 'NOT_PERMITTED');
});

onAnvil('the brake stops proposals and votes, never reports; only the governor lets go', async (t, node) => {
  const { chains } = await deployOn(node, 1, 1);
  const [governor, one, , , brake] = chains as [Chain, Chain, Chain, Chain, Chain];
  t.is(await propose(one, 1, 0, 1), 'done');
  t.is(await tell(one, 'pause', PRODUCT, NOTHING), 'NOT_PERMITTED');
  t.is(await tell(brake, 'pause', PRODUCT, NOTHING), 'done');
  t.is(await tell(brake, 'pause', PRODUCT, NOTHING), 'DUPLICATE');
  t.is(await tell(one, 'vote', hash(1)), 'NOT_OPEN');
  t.is(await propose(one, 1, 0, 2), 'NOT_OPEN');
  t.is(await tell(one, 'record', hash(5), hash(6), 3), 'done');
  t.is(await tell(brake, 'resume', PRODUCT, NOTHING), 'NOT_PERMITTED');
  t.is(await tell(governor, 'resume', PRODUCT, NOTHING), 'done');
  t.is(await tell(governor, 'resume', PRODUCT, NOTHING), 'BAD_STATEMENT');
  t.is(await tell(governor, 'pause', NOTHING, NOTHING), 'done'); // everything
  t.is(await tell(one, 'vote', hash(1)), 'NOT_OPEN');
  t.is(await tell(governor, 'resume', NOTHING, NOTHING), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'done');
});

onAnvil('batches and contents have limits, and every event carries the next number', async (t, node) => {
  const { chains, block } = await deployOn(node, 1, 1);
  const [governor, one] = chains as [Chain, Chain];
  for (const [root, digest, count] of [
    [0, 1, 1],
    [1, 0, 1],
    [1, 1, 0],
    [1, 1, 513],
  ] as const) {
    t.is(await tell(one, 'record', hash(root), hash(digest), count), 'BAD_REQUEST');
  }
  t.is(await tell(governor, 'record', hash(1), hash(1), 1), 'NOT_PERMITTED');
  t.is(await tell(one, 'setRecorder', ACCOUNTS[1]), 'NOT_PERMITTED');
  t.is(await tell(one, 'record', hash(1), hash(2), 512), 'done');
  t.is(await tell(one, 'record', hash(1), hash(2), 512), 'EXISTS');
  t.is(await tell(one, 'record', hash(1), hash(3), 1), 'done');
  t.is(await propose(one, 1, 0, 1, ['0x']), 'BAD_REQUEST');
  t.is(await propose(one, 1, 0, 1, [`0x${'00'.repeat(65)}`]), 'BAD_REQUEST');
  t.is(await propose(one, 1, 0, 1, new Array(17).fill(CID)), 'BAD_REQUEST');
  t.is(await propose(one, 1, 0, 1, new Array(16).fill(CID)), 'done');
  t.is(await tell(one, 'vote', hash(1)), 'done');
  const logs = await one.logs(block, await one.height());
  t.deepEqual(
    logs.map(({ args }) => Number(args.position)),
    logs.map((_, i) => i + 1),
  );
  t.deepEqual(
    logs.filter(({ name }) => name === 'Batch').map(({ args }) => [args.number, args.count]),
    [
      [1n, 512],
      [2n, 1],
    ],
  );
  t.deepEqual(
    logs.slice(-2).map(({ name }) => name),
    ['Voted', 'Confirmed'],
  );
  t.is(logs.filter(({ name, args }) => name === 'Content' && args.cid === CID).length, 16);
});

onAnvil('the governor is handed on in two steps', async (t, node) => {
  const { chains } = await deployOn(node, 1, 1);
  const [governor, one, two] = chains as [Chain, Chain, Chain];
  t.is(await tell(governor, 'offerGovernor', ACCOUNTS[2]), 'done');
  t.is(await tell(one, 'acceptGovernor'), 'NOT_PERMITTED');
  t.is(await tell(two, 'acceptGovernor'), 'done');
  t.is(await tell(governor, 'setThreshold', 1), 'NOT_PERMITTED');
  t.is(await tell(two, 'setThreshold', 1), 'done');
});

onAnvil('one account records, and the governor may name another', async (t, node) => {
  const { chains } = await deployOn(node, 2, 1);
  const [governor, one, two] = chains as [Chain, Chain, Chain];
  t.is(await tell(two, 'record', hash(1), hash(1), 1), 'NOT_PERMITTED');
  t.is(await tell(governor, 'setRecorder', ACCOUNTS[2]), 'done');
  t.is(await tell(two, 'record', hash(1), hash(1), 1), 'done');
  t.is(await tell(one, 'record', hash(1), hash(1), 1), 'NOT_PERMITTED');
});
