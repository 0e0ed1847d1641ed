/** Row 29: blocks that hold a trust root and more, and blocks whose bytes were changed although they are signed. */
import { encodeWrites } from '@countersign/broker/ledger/effects';
import { dataHash, readBlock } from '@countersign/broker/ledger/log/block';
import { replay } from '@countersign/broker/ledger/replay';
import type { Code } from '@countersign/device-sdk';
import type { Variant } from '../attack.ts';
import { blocksOf, OTHER_FORMS, replayed, signedBlock } from '../server/blocks.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  sha256,
  verifier,
  type World,
  type WorldOptions,
} from '../server/ledger-world.ts';
import { nextRoot } from '../server/next-roots.ts';
import { codeFrom } from '../server/try.ts';

interface Carried {
  before: readonly Uint8Array[];
  block: Uint8Array;
  /** Nobody who may has signed it, so that nothing in it is worth a look. */
  unsigned?: boolean;
}

/** A block for somebody who replays: a ledger that opens, a peer, an auditor. */
function carried(
  how: string,
  expect: Code,
  make: (world: World) => Promise<Carried>,
  options: WorldOptions = {},
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld(options);
      ground.after(() => world.end());
      await addProduct(world);
      const { before, block, unsigned } = await make(world);
      const { point, values } = await replayed(before);
      let checked = 0;
      const counting: typeof verifier = {
        ...verifier,
        verify: (...args) => {
          checked++;
          return verifier.verify(...args);
        },
      };
      const code = await codeFrom(replay(point, values, readBlock(block), counting));
      const looked = unsigned && checked > 0 ? `${checked} signatures in a block of nobody's were checked` : undefined;
      return { harm: code ? looked : 'the block was taken', codes: code ? [code] : [] };
    },
  };
}

/** A report and the next trust root in one block: everything fits but that they stand together. */
async function together(world: World, rootFirst: boolean) {
  const device = newDevice();
  await enrolDevices(world, [device]);
  await world.ledger.submit(await nextReport(device));
  await world.ledger.submit(await nextRoot(world, { headAgeMax: 90 }));
  const blocks = await blocksOf(world);
  const { sealed } = await replayed(blocks);
  const [report, root] = sealed.slice(-2);
  const writes = new Map([...report!.writes, ...root!.writes]);
  const transactions = (rootFirst ? [root!, report!] : [report!, root!]).flatMap((one) => one.transactions);
  const { number, previousHash } = report!.header;
  const fits = { dataHash: dataHash(sha256, transactions), writesHash: sha256(encodeWrites(writes)) };
  return {
    before: blocks.slice(0, -2),
    transactions,
    header: { ...root!.header, ...fits, number, previousHash },
  };
}

export const carriedRows: Variant[] = [
  carried(
    'has the orderer’s key, and puts a trust root behind another entry of its block',
    'BAD_BLOCK',
    async (world) => {
      const { before, header, transactions } = await together(world, false);
      return { before, block: await signedBlock(header, transactions, world.keys.orderer, world.keys.log) };
    },
  ),
  carried('has no key, and puts entries behind a trust root, to be executed unsigned', 'BAD_BLOCK', async (world) => {
    const { before, header, transactions } = await together(world, true);
    const nobody = newSigner();
    return { before, block: await signedBlock(header, transactions, nobody, nobody), unsigned: true };
  }),
  ...Object.entries(OTHER_FORMS).map(([what, change]) =>
    carried(
      `carries a block with ${what} in its other form`,
      'BAD_SIGNATURE',
      async (world) => {
        const blocks = await blocksOf(world);
        return { before: blocks.slice(0, -1), block: change(blocks.at(-1)!) };
      },
      { ecdsa: ['orderer', 'log'] },
    ),
  ),
];
