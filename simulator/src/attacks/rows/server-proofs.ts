/** The servers' part of rows 29 and 30: ledgers that were rewritten on disk, and a ledger that lies to the distribution server. */
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { confirmRelease } from '@countersign/broker/distribution/confirmed';
import { openWitness } from '@countersign/broker/distribution/witness';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import type { Code } from '@countersign/device-sdk';
import { encodeReceipt, readReceipt } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { act, addProduct, newRelease, newWorld, publish, verifier, type World } from '../server/ledger-world.ts';
import { codeFrom } from '../server/try.ts';
import { forgedRows, outsideRows } from './server-blocks.ts';
import { carriedRows } from './server-root-blocks.ts';

const BLOCKS = 'ledger/0000000000.blocks';
const HEAD = 'ledger/head';

/** A ledger that an operator changes on disk, against an auditor who was given the trust root and a head before. */
function audited(
  how: string,
  expect: Code,
  change: (world: World, before: { blocks: number; head: Uint8Array }) => Promise<void>,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      await world.ledger.close();
      const before = {
        blocks: (await readFile(join(world.dir, BLOCKS))).length,
        head: await readFile(join(world.dir, HEAD)),
      };
      await world.reopen();
      await publish(world, 1);
      await world.ledger.close();
      const head = await readFile(join(world.dir, HEAD));
      await change(world, before);
      const { ok, problems } = await auditFolder(world.dir, { trust: world.rootBytes, head });
      return { harm: ok ? 'the audit found nothing' : undefined, codes: problems.slice(0, 1).map(({ code }) => code) };
    },
  };
}

export const auditRows: Variant[] = [
  ...forgedRows,
  ...outsideRows,
  ...carriedRows,
  audited('cuts the log on disk back to an older head', 'BAD_HEAD', async (world, before) => {
    await truncate(join(world.dir, BLOCKS), before.blocks);
    await writeFile(join(world.dir, HEAD), before.head);
  }),
  audited('cuts the log on disk and keeps its head', 'TORN', async (world, before) => {
    await truncate(join(world.dir, BLOCKS), before.blocks);
  }),
  audited('turns a bit of an old block', 'BAD_SIGNATURE', async (world, before) => {
    const blocks = await readFile(join(world.dir, BLOCKS));
    await writeFile(join(world.dir, BLOCKS), flipped(blocks, before.blocks - 200));
  }),
  audited('puts another log in its place', 'BAD_ROOT', async (world) => {
    const other = await newWorld();
    await addProduct(other);
    await other.ledger.close();
    for (const name of [BLOCKS, HEAD]) await writeFile(join(world.dir, name), await readFile(join(other.dir, name)));
    await other.end();
  }),
];

/** The distribution server asks a ledger that answers with this instead. */
function asked(
  how: string,
  expect: Code,
  lie: (world: World, ledger: LedgerClient) => Promise<{ ledger: Partial<LedgerClient>; leaf: Uint8Array }>,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const { ledger, leaf } = await lie(world, world.ledger);
      const witness = await openWitness(
        verifier,
        through(world.ledger, ledger),
        world.rootBytes,
        await ground.folder(),
      );
      const code = await codeFrom(confirmRelease(verifier, through(world.ledger, ledger), witness, leaf));
      return { harm: code ? undefined : 'the distribution server would have signed it', codes: code ? [code] : [] };
    },
  };
}

function through(ledger: LedgerClient, change: Partial<LedgerClient>): LedgerClient {
  return new Proxy(ledger, {
    get: (target, name) => {
      const value =
        (change as Record<string | symbol, unknown>)[name] ??
        (target as unknown as Record<string | symbol, unknown>)[name];
      return typeof value === 'function' && !(name in change) ? value.bind(target) : value;
    },
  });
}

export const announcerRows: Variant[] = [
  asked('asks D to sign what was uploaded and not confirmed', 'NOT_FOUND', async (world) => {
    const release = await newRelease(world, 1);
    await act(world, world.people.alice!, 'upload', release.leaf, release.args);
    return { ledger: {}, leaf: release.leaf };
  }),
  asked('gives D the block of an unconfirmed release', 'NOT_FOUND', async (world, ledger) => {
    const release = await newRelease(world, 1);
    await act(world, world.people.alice!, 'upload', release.leaf, release.args);
    return {
      ledger: {
        entry: async (hash) => (Buffer.compare(hash, release.leaf) === 0 ? release.block1 : ledger.entry(hash)),
      },
      leaf: release.leaf,
    };
  }),
  asked('gives D another entry than it asked for', 'NO_RECEIPT', async (world, ledger) => {
    const first = await publish(world, 1);
    const second = await newRelease(world, 2, first.leaf);
    return {
      ledger: { entry: async (hash) => (Buffer.compare(hash, first.leaf) === 0 ? second.block1 : ledger.entry(hash)) },
      leaf: first.leaf,
    };
  }),
  asked('gives D a receipt of another entry', 'NO_RECEIPT', async (world, ledger) => {
    const first = await publish(world, 1);
    return {
      ledger: {
        receipt: async (hash) => {
          const answer = await ledger.receipt(hash);
          const { signed, leafIndex, path } = readReceipt(answer.receipt);
          return { ...answer, receipt: encodeReceipt(signed, leafIndex - 1, path) };
        },
      },
      leaf: first.leaf,
    };
  }),
  asked('gives D the manifest of another release', 'BAD_STATEMENT', async (world, ledger) => {
    const first = await publish(world, 1);
    const second = await newRelease(world, 2, first.leaf);
    await act(world, world.people.alice!, 'upload', second.leaf, second.args);
    return {
      ledger: {
        evaluate: async (name, ...args) =>
          ledger.evaluate(name, ...(name === 'getHistory' ? [Buffer.from(second.leaf).toString('hex')] : args)),
      },
      leaf: first.leaf,
    };
  }),
];
