/** Products and releases of several components that could not be kept apart, or together. */
import {
  type OneSlotFlashSizes,
  objectDigest,
  type Product,
  productArgs,
} from '@countersign/broker/ledger/contract/args';
import { trialArgs } from '@countersign/broker/ledger/contract/trial-args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import type { Code } from '@countersign/device-sdk';
import { type Component, NO_LEAF, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import {
  act,
  enrolDevices,
  newDevice,
  newRelease,
  nextReport,
  PRODUCT,
  sha256,
  VENDOR,
  type World,
} from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const NAME = 'meter';
const CLASS = classId(VENDOR, NAME);
const SLOT = { id: 'radio', slotBytes: 32_768 };
const alice = (world: World) => world.people.alice!;

function register(world: World, change: Partial<Product>) {
  const args = productArgs({ ...PRODUCT, name: NAME, components: [SLOT], ...change });
  return act(world, alice(world), 'product', objectDigest(sha256, 'product', CLASS), args);
}

function product(how: string, change: Partial<Product>, expect: Code = 'BAD_STATEMENT'): Variant {
  return contract(how, expect, async (world) => () => register(world, change));
}

function single(how: string, oneSlot: OneSlotFlashSizes): Variant {
  const args = productArgs({ ...PRODUCT, name: NAME, oneSlot });
  return contract(
    how,
    'BAD_STATEMENT',
    async (world) => () => act(world, alice(world), 'product', objectDigest(sha256, 'product', CLASS), args),
  );
}

function radio(bytes = 20_000): Component {
  const payload = { bytes: 9_000, chainHead: sha256(utf8('chain of the radio')), frameBytes: 1024, frameCount: 9 };
  const branches = [{ payload, memoryClass: 'M' as const, workspaceBytes: 8192 }];
  return { id: 'radio', digest: sha256(utf8('radio')), bytes, branches };
}

const releaseWith = (world: World, ...components: Component[]) =>
  newRelease(world, 1, NO_LEAF, { classId: CLASS, ...(components.length > 0 && { components }) });

function uploaded(how: string, ...components: Component[]): Variant {
  return contract(how, 'BAD_STATEMENT', async (world) => {
    await register(world, {});
    const release = await releaseWith(world, ...components);
    return () => act(world, alice(world), 'upload', release.leaf, release.args);
  });
}

/** A record of bob's with one device, which ended on the release. @param each what it says of components */
function trialOf(
  how: string,
  each: [id: string, code: Code | 'OK'][] | undefined,
  expect: Code = 'BAD_STATEMENT',
): Variant {
  return contract(how, expect, async (world) => {
    await register(world, {});
    const release = await releaseWith(world, radio());
    await act(world, alice(world), 'upload', release.leaf, release.args);
    const components = each?.map(([id, code]) => ({ id, baseDigest: null, outcomes: [{ code, count: 1 }] }));
    const profile = { hardware: 'A', baseDigest: null, devices: 1, outcomes: [{ code: 'OK', count: 1 }] };
    const args = trialArgs({
      ...{ releaseLeaf: release.leaf, sequence: 1, seed: 'one', faults: { lossPpm: 0, liePpm: 0, powerCut: 0 } },
      ...{ profiles: [{ ...profile, ...(components && { components }) }], logDigest: sha256(utf8('log')) },
    });
    return () => act(world, world.people.bob!, 'trial', objectDigest(sha256, 'trial', release.leaf), args);
  });
}

export const componentRows: Variant[] = [
  product('registers two components of one name', { components: [SLOT, SLOT] }),
  product('registers a component without a byte of slot', { components: [{ ...SLOT, slotBytes: 0 }] }),
  single('registers devices with one slot whose page is no power of two', { pageBytes: 3000, stagingBytes: 65_536 }),
  single('registers devices with one slot that can stage nothing', { pageBytes: 4096, stagingBytes: 0 }),
  product('registers two components for devices with one slot', {
    oneSlot: { pageBytes: 4096, stagingBytes: 65_536 },
  }),
  product(
    'registers five components',
    { components: ['a', 'b', 'c', 'd'].map((id) => ({ id, slotBytes: 4096 })) },
    'MALFORMED',
  ),
  uploaded('uploads a release without the radio that devices have'),
  uploaded('uploads a radio that does not fit its slot', radio(32_769)),
  trialOf('gives a trial of one component for a release of two', undefined),
  trialOf('says of a trial that all of a device passed, and its radio did not', [
    ['app', 'OK'],
    ['radio', 'BAD_DELTA'],
  ]),
  trialOf('calls the radio the application in a trial record', [
    ['radio', 'OK'],
    ['app', 'OK'],
  ]),
  trialOf('lists a single component in a trial record', [['app', 'OK']], 'MALFORMED'),
  contract('reports four components beside the application', 'MALFORMED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const components = ['a', 'b', 'c', 'd'].map((id) => ({ id, digest: sha256(utf8(id)), code: 'OK' as const }));
    const report = await nextReport(device, { components });
    return () => world.ledger.submit(report);
  }),
];
