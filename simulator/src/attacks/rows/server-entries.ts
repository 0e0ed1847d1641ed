/** Row 44: transactions that are replayed, of another ledger, or about nothing; and products that cannot be. */
import { downloadArgs, objectDigest, productArgs, uploadArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import type { Code } from '@countersign/device-sdk';
import { decodeSign1, encodeSign1, leafHash, signStatement, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import {
  act,
  enrolDevices,
  newDevice,
  newRelease,
  PRODUCT,
  PRODUCT_OBJECT,
  publish,
  sha256,
  tx,
  VENDOR,
} from '../server/ledger-world.ts';
import { alice, uploaded } from '../server/people.ts';
import { contract } from '../server/try.ts';

export const entryRows: Variant[] = [
  contract('replays a transaction of another ledger', 'BAD_STATEMENT', async (world) => {
    const release = await newRelease(world, 1);
    const bytes = await tx(world.people.alice!, {
      channel: 'ledger.test/two',
      action: 'upload',
      object: release.leaf,
      args: release.args,
    });
    return () => world.ledger.submit(bytes);
  }),
  contract('replays a transaction', 'DUPLICATE', async (world) => {
    const release = await newRelease(world, 1);
    const bytes = await tx(world.people.alice!, { action: 'upload', object: release.leaf, args: release.args });
    await world.ledger.submit(bytes);
    return () => world.ledger.submit(bytes);
  }),
  contract('decides over an old state', 'CONFLICT', async (world) => {
    const { leaf } = await uploaded(world);
    const bytes = await tx(world.people.bob!, { action: 'approve', object: leaf });
    return () => world.ledger.submit(bytes);
  }),
  contract('calls an action that the contract does not have', 'UNSUPPORTED', async (world) => {
    return () => act(world, world.people.alice!, 'upgrade', sha256(utf8('x')));
  }),
  contract('uploads a block 1 that carries no digest', 'MALFORMED', async (world) => {
    const release = await newRelease(world, 1);
    const block1 = encodeSign1({ ...decodeSign1(release.block1), payload: new Uint8Array(9) });
    const args = uploadArgs({ block1, manifest: release.manifest, fileName: 'x', contentId: 'x' });
    return () => act(world, alice(world), 'upload', leafHash(sha256, block1), args);
  }),
  contract('signs a transaction with a device’s key', 'WRONG_ROLE', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const release = await newRelease(world, 1);
    return () => act(world, device.signer, 'upload', release.leaf, release.args);
  }),
  contract(
    'makes a product again',
    'EXISTS',
    async (world) => () => act(world, alice(world), 'product', PRODUCT_OBJECT, productArgs(PRODUCT)),
  ),
  contract(
    'makes a product under another object',
    'BAD_STATEMENT',
    async (world) => () =>
      act(world, alice(world), 'product', sha256(PRODUCT_OBJECT), productArgs({ ...PRODUCT, name: 'toaster' })),
  ),
  product('makes a product with frames of one byte', { frameBytes: 1 }),
  product('makes a product without a slot', { slotBytes: 0 }),
  product('makes a product that needs no approval', { approvals: 0 }, 'MALFORMED'),
  contract(
    'logs a download of what is not there',
    'NOT_FOUND',
    async (world) => () =>
      act(world, world.keys.service, 'download', sha256(utf8('x')), downloadArgs('content', 'collection')),
  ),
  contract('logs a download of other content', 'BAD_STATEMENT', async (world) => {
    const { leaf } = await publish(world, 1);
    const bytes = await tx(world.keys.service, {
      action: 'download',
      object: leaf,
      args: downloadArgs('content', 'collection'),
    });
    return () => world.ledger.submit(bytes);
  }),
  contract('logs a statement that is no entry', 'WRONG_TYPE', async (world) => {
    const bytes = await signStatement(sha256, 'ack', [1], world.keys.command);
    return () => world.ledger.submit(bytes);
  }),
  contract('logs a transaction of a megabyte', 'TOO_LARGE', async (world) => {
    const bytes = await tx(alice(world), {
      action: 'upload',
      object: sha256(utf8('x')),
      args: [new Uint8Array(1 << 20)],
    });
    return () => world.ledger.submit(bytes);
  }),
];

function product(how: string, change: Partial<typeof PRODUCT>, expect: Code = 'BAD_STATEMENT'): Variant {
  return contract(how, expect, async (world) => {
    const made = { ...PRODUCT, name: 'toaster', ...change };
    const object = objectDigest(sha256, 'product', classId(VENDOR, made.name));
    return () => act(world, alice(world), 'product', object, productArgs(made));
  });
}
