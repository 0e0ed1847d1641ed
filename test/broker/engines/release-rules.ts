/** Uploads, approvals, confirmations and downloads; and what a revoked server key's work is worth. */
import {
  downloadArgs,
  enrolDevicesArgs,
  enrolPersonArgs,
  rejectArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { cidOf } from '@countersign/broker/store/cid';
import { hex, leafHash, MEMORY_CLASSES, publicKeyOf, readBlock1 } from '@countersign/device-sdk/format';
import {
  act,
  addProduct,
  CLASS,
  DEVICES_OBJECT,
  enrolDevices,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  personObject,
  previousOf,
  publish,
  sha256,
  tx,
} from '../ledger-world.ts';
import { actOn, refusesStatements, worldOf } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const RELEASE_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  RELEASE_RULES.push([title, run]);
}

rule('uploads say what the signed manifest says', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  const early = await newRelease(world, 1);
  await refusesStatements(t, world, [
    ['no product', 'NOT_FOUND', actOn(world, alice, 'upload', early.leaf, early.args)],
  ]);
  await addProduct(world);
  const other = await newRelease(world, 2);
  const up = async (release: Awaited<ReturnType<typeof newRelease>>, args = release.args) =>
    actOn(world, alice, 'upload', release.leaf, args);
  const parts = {
    block1: early.block1,
    manifest: early.manifest,
    fileName: 'a',
    contentId: cidOf(manifestOf(1).image.digest),
  };
  const branch = manifestOf(1).branches[0]!;
  await refusesStatements(t, world, [
    ['an approver', 'NOT_PERMITTED', actOn(world, bob, 'upload', early.leaf, early.args)],
    ['a service key', 'NOT_PERMITTED', actOn(world, keys.service, 'upload', early.leaf, early.args)],
    ['another object', 'BAD_STATEMENT', actOn(world, alice, 'upload', other.leaf, early.args)],
    ['another manifest', 'BAD_STATEMENT', up(early, uploadArgs({ ...parts, manifest: other.manifest }))],
    ['another content id', 'BAD_STATEMENT', up(early, uploadArgs({ ...parts, contentId: cidOf(sha256(early.leaf)) }))],
    ['a manifest of no profile', 'UNSUPPORTED', up(early, uploadArgs({ ...parts, manifest: Uint8Array.of(0xa0) }))],
    ['a block 1 by a stranger', 'UNKNOWN_KEY', up(await newRelease(world, 1, undefined, {}, newSigner()))],
    ['a block 1 by D', 'WRONG_ROLE', up(await newRelease(world, 1, undefined, {}, keys.distribution))],
    ['another class', 'NOT_FOUND', up(await newRelease(world, 1, undefined, { classId: new Uint8Array(16) }))],
    ['another vendor', 'BAD_STATEMENT', up(await newRelease(world, 1, undefined, { vendorId: new Uint8Array(16) }))],
    ['sequence 0', 'BAD_STATEMENT', up(await newRelease(world, 0))],
    [
      'an image larger than the slot',
      'BAD_STATEMENT',
      up(await newRelease(world, 1, undefined, { image: { digest: manifestOf(1).image.digest, bytes: 65_537 } })),
    ],
    [
      'a larger memory class',
      'BAD_STATEMENT',
      up(await newRelease(world, 1, undefined, { branches: [{ ...branch, memoryClass: MEMORY_CLASSES[2] }] })),
    ],
    [
      'larger frames',
      'BAD_STATEMENT',
      up(
        await newRelease(world, 1, undefined, {
          branches: [{ ...branch, payload: { ...branch.payload, frameBytes: 2048, frameCount: 10 } }],
        }),
      ),
    ],
  ]);
  t.truthy(readBlock1(early.block1));
});

rule('an approval is by another person, and confirm follows the rule', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  await addProduct(world);
  const dana = newSigner();
  await act(
    world,
    alice,
    'enrol',
    personObject('dana'),
    enrolPersonArgs({ name: 'dana', roles: ['engineer', 'approver'], key: publicKeyOf(dana) }),
  );
  await act(world, bob, 'approve', personObject('dana'));
  const [first, rival, gap] = [
    await newRelease(world, 1),
    await newRelease(world, 1, undefined, { version: 'rival' }),
    await newRelease(world, 3, undefined, { version: 'gap' }),
  ];
  for (const release of [first, rival, gap]) await act(world, dana, 'upload', release.leaf, release.args);
  const stale = await actOn(world, bob, 'approve', first.leaf);
  await refusesStatements(t, world, [
    ['the uploader approves', 'SAME_PERSON', actOn(world, dana, 'approve', first.leaf)],
    ['the uploader rejects', 'SAME_PERSON', actOn(world, dana, 'reject', first.leaf, rejectArgs('no'))],
    ['an engineer approves', 'NOT_PERMITTED', actOn(world, alice, 'approve', first.leaf)],
    ['a service key approves', 'NOT_PERMITTED', actOn(world, keys.service, 'approve', first.leaf)],
    ['an approval with arguments', 'MALFORMED', actOn(world, bob, 'approve', first.leaf, ['yes'])],
    ['a confirm without approval', 'NOT_APPROVED', actOn(world, keys.service, 'confirm', first.leaf)],
    ['a release that is not there', 'NOT_FOUND', actOn(world, bob, 'approve', sha256(first.leaf))],
    ['the same upload', 'EXISTS', actOn(world, dana, 'upload', first.leaf, first.args)],
  ]);
  await act(world, bob, 'approve', first.leaf);
  await refusesStatements(t, world, [
    ['an approval signed over the state before', 'DUPLICATE', stale],
    ['a second approval by the same', 'DUPLICATE', actOn(world, bob, 'approve', first.leaf)],
  ]);
  for (const release of [rival, gap]) await act(world, bob, 'approve', release.leaf);
  await refusesStatements(t, world, [
    ['a sequence with a gap', 'BAD_CHAIN', actOn(world, keys.service, 'confirm', gap.leaf)],
  ]);
  const late = await actOn(world, bob, 'reject', first.leaf, rejectArgs('too late'));
  const { leafIndex } = await act(world, keys.service, 'confirm', first.leaf);
  const [next] = await world.ledger.entries(leafIndex + 1, 1);
  t.deepEqual(leafHash(sha256, next!), first.leaf, 'block 1 stands directly after its confirm');
  await refusesStatements(t, world, [
    ['a rejection after the confirm', 'CONFLICT', late],
    ['a second confirm', 'DUPLICATE', actOn(world, keys.service, 'confirm', first.leaf)],
    ['a release signed over the former head', 'CONFLICT', actOn(world, keys.service, 'confirm', rival.leaf)],
    ['an approval of a confirmed release', 'BAD_STATEMENT', actOn(world, bob, 'approve', first.leaf)],
  ]);
  await act(world, bob, 'reject', rival.leaf, rejectArgs('superseded'));
  await refusesStatements(t, world, [
    ['a confirm after a rejection', 'NOT_APPROVED', actOn(world, keys.service, 'confirm', rival.leaf)],
  ]);
});

rule("a revoked server key's work stands before its log size and is void from there on", async (t, engine) => {
  const world = await engine.newWorld({ revoked: { role: 'service', logSize: 5 } });
  // Not at the end of the test alone: an engine may have one world at a time.
  let ended: Promise<void> | undefined;
  const end = () => {
    ended ??= world.end();
    return ended;
  };
  t.teardown(end);
  if (!engine.knowsLogSize) {
    const row = actOn(
      world,
      world.keys.service,
      'enrol',
      DEVICES_OBJECT,
      enrolDevicesArgs({ classId: CLASS, devices: [] }),
    );
    return refusesStatements(t, world, [['from the first leaf on, where the log size is not known', 'REVOKED', row]]);
  }
  await addProduct(world);
  await enrolDevices(world, [newDevice()]);
  t.is((await world.ledger.head()).head.size, 5);
  await refusesStatements(t, world, [
    [
      'one leaf later',
      'REVOKED',
      actOn(world, world.keys.service, 'enrol', DEVICES_OBJECT, enrolDevicesArgs({ classId: CLASS, devices: [] })),
    ],
  ]);
  await end();
  const collection = await engine.newWorld({ revoked: { role: 'collection', logSize: 6 } });
  t.teardown(() => collection.end());
  await addProduct(collection);
  const release = await newRelease(collection, 1);
  await act(collection, collection.people.alice!, 'upload', release.leaf, release.args);
  await act(collection, collection.people.bob!, 'approve', release.leaf);
  await refusesStatements(t, collection, [
    [
      'a confirm after the signer was revoked',
      'REVOKED',
      actOn(collection, collection.keys.service, 'confirm', release.leaf),
    ],
  ]);
});

rule('downloads are a list of their own', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, keys } = world;
  await addProduct(world);
  const release = await publish(world, 1);
  const contentId = cidOf(manifestOf(1).image.digest);
  const object = release.leaf;
  const before = await previousOf(world, object);
  const first = await tx(keys.service, { action: 'download', object, args: downloadArgs(contentId, 'factory') });
  const { leafHash: previous } = await world.ledger.submit(first);
  t.deepEqual(await previousOf(world, object), before, 'the release itself did not change');
  await refusesStatements(t, world, [
    ['the same download', 'DUPLICATE', first],
    [
      'a download that does not follow',
      'CONFLICT',
      tx(alice, { action: 'download', object, args: downloadArgs(contentId, 'x') }),
    ],
    [
      'another content',
      'BAD_STATEMENT',
      tx(alice, { action: 'download', object, previous, args: downloadArgs('bafk', 'x') }),
    ],
    [
      'no release',
      'NOT_FOUND',
      tx(alice, { action: 'download', object: sha256(object), args: downloadArgs(contentId, 'x') }),
    ],
  ]);
  const history = (await world.ledger.evaluate('getHistory', hex(object))) as { action: string; signer: string }[];
  t.deepEqual(
    history.map(({ action, signer }) => `${action} ${signer}`),
    ['download service', 'confirm service', 'approve bob', 'upload alice'],
  );
});
