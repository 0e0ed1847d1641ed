/** Row 29: ledgers that were made anew with every server key, and heads that somebody else was shown. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { encodeStoredHead } from '@countersign/broker/ledger/embedded/head-file';
import { type Frame, readFrames } from '@countersign/broker/ledger/embedded/segments';
import {
  type BlockHeader,
  dataHash,
  encodeBlock,
  encodeHeader,
  headOf,
  readBlock,
  signHeader,
} from '@countersign/broker/ledger/log/block';
import { Frontier } from '@countersign/broker/ledger/log/frontier';
import type { Code } from '@countersign/device-sdk';
import { leafHash, type Signer, signHead, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  publish,
  sha256,
  type World,
} from '../server/ledger-world.ts';

interface Forgery {
  transactions?: Uint8Array[];
  header?: Partial<BlockHeader>;
  leaves?: Uint8Array[];
  orderer?: (world: World) => Signer;
  headTime?: number;
  /** Bytes of the block, changed once more. */
  bytes?: (block: Uint8Array) => Uint8Array;
}

/** A ledger whose last block was made anew by somebody who holds every server key, and an auditor who executes it. */
function forged(how: string, expect: Code, forge: (last: ReturnType<typeof readBlock>) => Forgery): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const device = newDevice();
      await enrolDevices(world, [device]);
      await world.ledger.submit(await nextReport(device));
      const leaves = (await world.ledger.events(0, 1000)).map((event) => event.leafHash);
      await world.ledger.close();
      await rewrite(world, leaves, forge);
      const { ok, problems } = await auditFolder(world.dir, { trust: world.rootBytes });
      return { harm: ok ? 'the audit found nothing' : undefined, codes: problems.slice(0, 1).map(({ code }) => code) };
    },
  };
}

async function rewrite(
  world: World,
  leaves: readonly Uint8Array[],
  make: (last: ReturnType<typeof readBlock>) => Forgery,
) {
  const blocks: Uint8Array[] = [];
  for await (const frame of readFrames(join(world.dir, 'ledger')))
    blocks.push((frame as Extract<Frame, { bytes: unknown }>).bytes);
  const last = readBlock(blocks.at(-1)!);
  const before = readBlock(blocks.at(-2)!);
  const forgery = make(last);
  const transactions = forgery.transactions ?? last.transactions;
  const frontier = new Frontier(sha256);
  const own = forgery.leaves ?? transactions.map((bytes) => leafHash(sha256, bytes));
  for (const leaf of [...leaves.slice(0, before.header.treeSize), ...own]) frontier.append(leaf);
  const fits = { dataHash: dataHash(sha256, transactions), treeSize: frontier.size, root: frontier.root() };
  const header: BlockHeader = { ...last.header, ...fits, ...forgery.header };
  const signature = await signHeader(sha256, encodeHeader(header), forgery.orderer?.(world) ?? world.keys.orderer);
  const head = await signHead(sha256, { ...headOf(header), time: forgery.headTime ?? header.time }, world.keys.log);
  const bytes = (forgery.bytes ?? ((block: Uint8Array) => block))(encodeBlock(header, transactions, signature, head));
  const framed = [...blocks.slice(0, -1), bytes].flatMap((block) => [lengthOf(block), block]);
  await writeFile(join(world.dir, 'ledger/0000000000.blocks'), Buffer.concat(framed));
  const stored = { blockNumber: header.number, blockHash: sha256(bytes), head: headOf(header), signed: head };
  await writeFile(join(world.dir, 'ledger/head'), encodeStoredHead(stored));
}

function lengthOf(block: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(block.length);
  return length;
}

const ELSE = sha256(utf8('else'));

export const forgedRows: Variant[] = [
  forged('writes another state into a block', 'BAD_BLOCK', () => ({ header: { writesHash: ELSE } })),
  forged('writes another class index into a block', 'BAD_BLOCK', () => ({ header: { indexRoot: ELSE } })),
  forged('writes another tree into a block', 'BAD_BLOCK', () => ({ header: { root: ELSE } })),
  forged('adds a leaf that is no entry', 'BAD_BLOCK', (last) => ({
    leaves: [leafHash(sha256, last.transactions[0]!), ELSE],
  })),
  forged('leaves a block out', 'BAD_BLOCK', () => ({ header: { previousHash: ELSE } })),
  forged('leaves a number out', 'BAD_BLOCK', (last) => ({ header: { number: last.header.number + 1 } })),
  forged('dates a block before the one before it', 'BAD_BLOCK', (last) => ({ header: { time: last.header.time - 1 } })),
  forged('names another ledger in a block', 'BAD_BLOCK', () => ({ header: { origin: 'ledger.test/two' } })),
  forged('names another trust root in a block', 'BAD_BLOCK', () => ({ header: { rootVersion: 2 } })),
  forged('names other transactions in a block', 'BAD_BLOCK', () => ({ header: { dataHash: ELSE } })),
  forged('signs a block with a service key', 'WRONG_ROLE', () => ({ orderer: (world) => world.keys.service })),
  forged('signs a head of another time than the block', 'BAD_HEAD', (last) => ({ headTime: last.header.time + 1 })),
  forged('repeats an entry', 'BAD_BLOCK', (last) => ({ transactions: [last.transactions[0]!, last.transactions[0]!] })),
  forged('drops every entry of a block', 'MALFORMED', () => ({ transactions: [] })),
  forged('writes a block in another form', 'MALFORMED', () => ({ bytes: (block) => Uint8Array.from([...block, 0]) })),
];

/** An auditor who was given a head by somebody else. */
function outside(how: string, change: (world: World) => Promise<Uint8Array>): Variant {
  return {
    how,
    expect: 'SPLIT_VIEW',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      await publish(world, 1);
      const head = await change(world);
      await world.ledger.close();
      const { ok, problems } = await auditFolder(world.dir, { trust: world.rootBytes, head });
      return { harm: ok ? 'the audit found nothing' : undefined, codes: problems.slice(0, 1).map(({ code }) => code) };
    },
  };
}

export const outsideRows: Variant[] = [
  outside('showed somebody else another root of the same size', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, root: ELSE }, world.keys.log);
  }),
  outside('showed somebody else another class index', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, indexRoot: ELSE }, world.keys.log);
  }),
  outside('showed somebody else a head in the middle of a block', async (world) => {
    const { head } = await world.ledger.head();
    return signHead(sha256, { ...head, size: head.size - 1 }, world.keys.log);
  }),
];
