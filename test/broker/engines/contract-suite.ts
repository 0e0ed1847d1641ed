/**
 * The contract's rules as tables: one row for each way to be refused. A refusal changes nothing, so rows share a world.
 * One suite for every engine; `contractSuite` gives it the engine's worlds.
 */

import {
  downloadArgs,
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  productArgs,
  rejectArgs,
  revokeArgs,
  rolloutArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { unionOfWaves } from '@countersign/broker/ledger/contract/plan';
import { cidOf } from '@countersign/broker/store/cid';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  ABORTED,
  EVERYONE,
  leafHash,
  MEMORY_CLASSES,
  OPEN,
  PAUSED,
  publicKeyOf,
  type Rollout,
  readBlock1,
  rolloutValue,
  signStatement,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  addProduct,
  CLASS,
  command,
  DEVICES_OBJECT,
  enrolDevices,
  enrolment,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  nextReport,
  PRODUCT,
  PRODUCT_OBJECT,
  person,
  personObject,
  planOf,
  previousOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
  tx,
  type World,
} from '../ledger-world.ts';
import type { Engine } from './engine.ts';
import { GRANT_RULES } from './grant-rules.ts';
import { PASSPORT_RULES } from './passport-rules.ts';
import { REKEY_RULES } from './rekey-rules.ts';
import { ROOT_RULES } from './root-rules.ts';
import type { NamedRule, Rule } from './rule.ts';
import { TRIAL_RULES } from './trial-rules.ts';

type Row = [why: string, code: Code, statement: Promise<Uint8Array> | Uint8Array];

/** Submits every row; each must be refused with its code, and the head must stand where it stood. */
async function refuses(t: ExecutionContext, world: World, rows: Row[]): Promise<void> {
  const before = await world.ledger.head();
  for (const [why, code, statement] of rows) {
    const error = await t.throwsAsync(world.ledger.submit(await statement), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
  t.is((await world.ledger.head()).head.size, before.head.size);
}

async function worldOf(t: ExecutionContext, engine: Engine): Promise<World & { alice: Person; bob: Person }> {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  return Object.assign(world, { alice: world.people.alice!, bob: world.people.bob! });
}
type Person = World['people'][string];

const RULES: NamedRule[] = [...TRIAL_RULES, ...PASSPORT_RULES, ...REKEY_RULES, ...ROOT_RULES, ...GRANT_RULES];

function rule(title: string, run: Rule): void {
  RULES.push([title, run]);
}

/**
 * Registers every rule as a test of this engine.
 * @param some the titles of those that concern it, where not all do
 */
export function contractSuite(engine: Engine, some?: readonly string[]): void {
  const rules = RULES.filter(([title]) => some?.includes(title) ?? true);
  if (some && rules.length !== some.length) throw new RangeError('a title of no rule');
  for (const [title, run] of rules) test(`${engine.name}: ${title}`, (t) => run(t, engine));
}

rule('the door refuses what is no entry, and whoever may not write', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, keys } = world;
  const object = PRODUCT_OBJECT;
  const args = productArgs(PRODUCT);
  const whole = await tx(alice, { action: 'product', object, args });
  const release = await newRelease(world, 1);
  await refuses(t, world, [
    ['random bytes', 'MALFORMED', Uint8Array.of(1, 2, 3)],
    ['nothing', 'MALFORMED', new Uint8Array()],
    ['a bare block 1', 'WRONG_TYPE', release.block1],
    ['an acknowledgement', 'WRONG_TYPE', signStatement(sha256, 'ack', [1], keys.command)],
    ['the trust root in force', 'DUPLICATE', world.rootBytes],
    ['61 KB', 'TOO_LARGE', new Uint8Array(61_000)],
    ['a stranger', 'UNKNOWN_KEY', tx(newSigner(), { action: 'product', object, args })],
    ['a log key', 'WRONG_ROLE', tx(keys.log, { action: 'product', object, args })],
    ['a command key', 'WRONG_ROLE', tx(keys.command, { action: 'product', object, args })],
    ['a flipped signature', 'BAD_SIGNATURE', flippedEnd(whole)],
    ['another ledger', 'BAD_STATEMENT', tx(alice, { channel: 'ledger.test/two', action: 'product', object, args })],
    ['an unknown action', 'UNSUPPORTED', tx(alice, { action: 'constructor', object, args })],
    ['a trust root by a person', 'UNSUPPORTED', tx(alice, { action: 'root', object, args })],
    ['a wrong previous', 'CONFLICT', tx(alice, { action: 'product', object, args, previous: sha256(object) })],
  ]);
});

rule('people: proposed by one, approved by another, and never fewer than two', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, ledger } = world;
  const carol = newSigner();
  const object = personObject('carol');
  const proposal = await enrolment('carol', ['approver', 'engineer'], carol, alice);
  const person = (name: string, key = carol) => enrolPersonArgs({ name, roles: ['engineer'], key: publicKeyOf(key) });
  await refuses(t, world, [
    ['oneself', 'UNKNOWN_KEY', enrolment('carol', ['approver'], carol)],
    ['a service key', 'NOT_PERMITTED', tx(world.keys.service, { action: 'enrol', object, args: person('carol') })],
    ['another object', 'BAD_STATEMENT', tx(alice, { action: 'enrol', object, args: person('dora') })],
    ['a name that is there', 'CONFLICT', enrolment('bob', ['approver'], carol, alice)],
    ['a key that is there', 'EXISTS', tx(alice, { action: 'enrol', object, args: person('carol', bob) })],
    ["a server's key", 'EXISTS', tx(alice, { action: 'enrol', object, args: person('carol', world.keys.log) })],
    [
      'a key of small order',
      'BAD_KEY',
      tx(alice, {
        action: 'enrol',
        object,
        args: [
          'person',
          'carol',
          ['engineer'],
          new Map<number, Value>([
            [1, 1],
            [-1, 6],
            [-2, Uint8Array.of(1, ...new Uint8Array(31))],
          ]),
        ],
      }),
    ],
    ['no role', 'BAD_STATEMENT', enrolment('carol', [], carol, alice)],
    [
      'a revocation of one of two',
      'BAD_STATEMENT',
      tx(alice, {
        action: 'revoke',
        object: personObject('bob'),
        previous: await previousOf(world, personObject('bob')),
        args: revokeArgs('person', utf8('bob'), 'gone'),
      }),
    ],
  ]);
  await ledger.submit(proposal);
  await refuses(t, world, [
    ['the proposer without the role', 'NOT_PERMITTED', actOn(world, alice, 'approve', object)],
    ['the proposed person', 'NOT_PERMITTED', actOn(world, carol, 'approve', object)],
    ['the same proposal again', 'DUPLICATE', proposal],
  ]);
  await act(world, bob, 'approve', object);
  // bob proposes, and may not approve his own proposal; carol, an approver now, may.
  const dora = newSigner();
  await act(
    world,
    bob,
    'enrol',
    personObject('dora'),
    enrolPersonArgs({ name: 'dora', roles: ['approver'], key: publicKeyOf(dora) }),
  );
  await refuses(t, world, [['the proposer', 'SAME_PERSON', actOn(world, bob, 'approve', personObject('dora'))]]);
  await act(world, carol, 'reject', personObject('dora'), rejectArgs('no'));
  await t.throwsAsync(ledger.evaluate('getPerson', 'dora'), { code: 'NOT_FOUND' } as never);

  await act(world, bob, 'revoke', object, revokeArgs('person', utf8('carol'), 'left'));
  await refuses(t, world, [
    ['the one who asked for the revocation', 'SAME_PERSON', actOn(world, bob, 'approve', object)],
    ['a second revocation', 'EXISTS', actOn(world, bob, 'revoke', object, revokeArgs('person', utf8('carol'), 'left'))],
  ]);
  await act(world, carol, 'approve', object);
  await refuses(t, world, [
    [
      'a revoked person',
      'REVOKED',
      tx(carol, { action: 'product', object: PRODUCT_OBJECT, args: productArgs(PRODUCT) }),
    ],
  ]);
});

rule('products and devices', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  const device = newDevice();
  const batch = (classId: Uint8Array, list = [device]) =>
    enrolDevicesArgs({ classId, devices: list.map(({ id, signer }) => ({ id, key: publicKeyOf(signer) })) });
  const enrol = (signer: Person, args: Value, object = DEVICES_OBJECT) => actOn(world, signer, 'enrol', object, args);
  await refuses(t, world, [
    [
      'a product by a service key',
      'NOT_PERMITTED',
      actOn(world, keys.service, 'product', PRODUCT_OBJECT, productArgs(PRODUCT)),
    ],
    [
      'a product under another id',
      'BAD_STATEMENT',
      actOn(world, alice, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, name: 'other' })),
    ],
    [
      'frames of 100 bytes',
      'BAD_STATEMENT',
      actOn(world, alice, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, frameBytes: 100 })),
    ],
    [
      'a product with an instruction set nobody knows',
      'MALFORMED',
      actOn(world, alice, 'product', PRODUCT_OBJECT, [...(productArgs(PRODUCT) as Value[]), 'z80']),
    ],
    ['devices of no product', 'NOT_FOUND', enrol(keys.service, batch(CLASS))],
  ]);
  await addProduct(world);
  const twin = { ...newDevice(), id: device.id };
  await refuses(t, world, [
    ['the product again', 'EXISTS', actOn(world, bob, 'product', PRODUCT_OBJECT, productArgs(PRODUCT))],
    ['a device twice', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS, [device, device]))],
    ['two devices with one id', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS, [device, twin]))],
    ['a key of a person', 'EXISTS', enrol(keys.service, batch(CLASS, [{ ...device, signer: alice }]))],
    ['another object', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS), PRODUCT_OBJECT)],
    [
      '501 devices',
      'TOO_LARGE',
      enrol(
        keys.service,
        batch(
          CLASS,
          Array.from({ length: 501 }, () => device),
        ),
      ),
    ],
  ]);
  await enrolDevices(world, [device]);
  await refuses(t, world, [
    ['a known device by a service key', 'NOT_PERMITTED', enrol(keys.service, batch(CLASS, [twin]))],
    [
      'a revocation by a service key',
      'NOT_PERMITTED',
      actOn(world, keys.service, 'revoke', deviceObject(device.id), revokeArgs('device', device.id, 'x')),
    ],
    [
      'a revocation of nobody',
      'NOT_FOUND',
      actOn(world, bob, 'revoke', deviceObject(new Uint8Array(16)), revokeArgs('device', new Uint8Array(16), 'x')),
    ],
  ]);
  await enrolDevices(world, [twin], bob);
  const again = (await world.ledger.evaluate('getDevice', hexOf(device.id))) as { epoch: number; counter: number };
  t.deepEqual([again.epoch, again.counter], [1, 0]);
});

rule('reports are counted, chained and of one device', async (t, engine) => {
  const world = await worldOf(t, engine);
  await addProduct(world);
  const [device, other, stranger] = [newDevice(), newDevice(), newDevice()];
  await enrolDevices(world, [device, other]);
  const first = await nextReport(device);
  await world.ledger.submit(first);
  const at = { ...device };
  const variant = (change: object, signer = device.signer) => nextReport({ ...at, signer }, change);
  await refuses(t, world, [
    ['the same report', 'DUPLICATE', first],
    ['an unknown device', 'NOT_FOUND', nextReport(stranger)],
    ["another device's key", 'UNKNOWN_KEY', variant({}, other.signer)],
    ['a flipped signature', 'BAD_SIGNATURE', flippedEnd(await variant({}))],
    ['the same counter with other words', 'BAD_COUNTER', variant({ counter: 1 })],
    ['a gap', 'BAD_COUNTER', variant({ counter: 3 })],
    ['another chain', 'BAD_COUNTER', variant({ previous: sha256(first.subarray(1)) })],
    ['another epoch', 'BAD_COUNTER', variant({ epoch: 1 })],
    ['a transaction by a device', 'WRONG_ROLE', tx(device.signer, { action: 'product', object: PRODUCT_OBJECT })],
  ]);
  await act(world, world.bob, 'revoke', deviceObject(device.id), revokeArgs('device', device.id, 'stolen'));
  await refuses(t, world, [['a revoked device', 'REVOKED', nextReport(device)]]);
});

rule('uploads say what the signed manifest says', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  const early = await newRelease(world, 1);
  await refuses(t, world, [['no product', 'NOT_FOUND', actOn(world, alice, 'upload', early.leaf, early.args)]]);
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
  await refuses(t, world, [
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
  await refuses(t, world, [
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
  await refuses(t, world, [
    ['an approval signed over the state before', 'DUPLICATE', stale],
    ['a second approval by the same', 'DUPLICATE', actOn(world, bob, 'approve', first.leaf)],
  ]);
  for (const release of [rival, gap]) await act(world, bob, 'approve', release.leaf);
  await refuses(t, world, [['a sequence with a gap', 'BAD_CHAIN', actOn(world, keys.service, 'confirm', gap.leaf)]]);
  const late = await actOn(world, bob, 'reject', first.leaf, rejectArgs('too late'));
  const { leafIndex } = await act(world, keys.service, 'confirm', first.leaf);
  const [next] = await world.ledger.entries(leafIndex + 1, 1);
  t.deepEqual(leafHash(sha256, next!), first.leaf, 'block 1 stands directly after its confirm');
  await refuses(t, world, [
    ['a rejection after the confirm', 'CONFLICT', late],
    ['a second confirm', 'DUPLICATE', actOn(world, keys.service, 'confirm', first.leaf)],
    ['a release signed over the former head', 'CONFLICT', actOn(world, keys.service, 'confirm', rival.leaf)],
    ['an approval of a confirmed release', 'BAD_STATEMENT', actOn(world, bob, 'approve', first.leaf)],
  ]);
  await act(world, bob, 'reject', rival.leaf, rejectArgs('superseded'));
  await refuses(t, world, [
    ['a confirm after a rejection', 'NOT_APPROVED', actOn(world, keys.service, 'confirm', rival.leaf)],
  ]);
});

rule("a revoked server key's work stands before its log size and is void from there on", async (t, engine) => {
  const world = await engine.newWorld({ revoked: { role: 'service', logSize: 5 } });
  t.teardown(() => world.end());
  if (!engine.knowsLogSize) {
    const row = actOn(
      world,
      world.keys.service,
      'enrol',
      DEVICES_OBJECT,
      enrolDevicesArgs({ classId: CLASS, devices: [] }),
    );
    return refuses(t, world, [['from the first leaf on, where the log size is not known', 'REVOKED', row]]);
  }
  await addProduct(world);
  await enrolDevices(world, [newDevice()]);
  t.is((await world.ledger.head()).head.size, 5);
  await refuses(t, world, [
    [
      'one leaf later',
      'REVOKED',
      actOn(world, world.keys.service, 'enrol', DEVICES_OBJECT, enrolDevicesArgs({ classId: CLASS, devices: [] })),
    ],
  ]);
  const collection = await engine.newWorld({ revoked: { role: 'collection', logSize: 6 } });
  t.teardown(() => collection.end());
  await addProduct(collection);
  const release = await newRelease(collection, 1);
  await act(collection, collection.people.alice!, 'upload', release.leaf, release.args);
  await act(collection, collection.people.bob!, 'approve', release.leaf);
  await refuses(t, collection, [
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
  await refuses(t, world, [
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
  const history = (await world.ledger.evaluate('getHistory', hexOf(object))) as { action: string; signer: string }[];
  t.deepEqual(
    history.map(({ action, signer }) => `${action} ${signer}`),
    ['download service', 'confirm service', 'approve bob', 'upload alice'],
  );
});

rule('a rollout is opened, stopped and ended by people; the command key only carries out', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  await addProduct(world);
  const release = await publish(world, 1);
  const pending = await newRelease(world, 2, release.leaf);
  await act(world, alice, 'upload', pending.leaf, pending.args);
  const plan = planOf(release);
  const object = rolloutObject(plan);
  const open = (p = plan, signer: Person = bob) =>
    actOn(world, signer, 'rollout', rolloutObject(p), rolloutArgs({ op: 'open', plan: p }));
  const say = (rollout: Rollout, signer = keys.command) =>
    signStatement(sha256, 'rollout', rolloutValue(rollout), signer);
  await refuses(t, world, [
    ['a statement about nothing', 'NOT_FOUND', say(statementOf(plan, 1, OPEN))],
    ['a service key', 'NOT_PERMITTED', open(plan, keys.service)],
    ['an unconfirmed release', 'NOT_APPROVED', open({ ...plan, releaseLeaf: pending.leaf })],
    ['no release', 'NOT_FOUND', open({ ...plan, releaseLeaf: sha256(object) })],
    ['a wave of nobody', 'BAD_STATEMENT', open({ ...plan, waves: [{ ...plan.waves[0]!, cohorts: [] }] })],
    ['no attempts', 'BAD_STATEMENT', open({ ...plan, attemptsMax: 0 })],
    ['a window that ends first', 'BAD_STATEMENT', open({ ...plan, window: { start: 2, end: 1 } })],
    [
      'another object',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', sha256(object), rolloutArgs({ op: 'open', plan })),
    ],
    [
      'a pause of nothing',
      'NOT_FOUND',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'pause', rolloutId: plan.rolloutId, reason: '' })),
    ],
  ]);
  await person(world, plan, 'open');
  const all = { cohorts: unionOfWaves(plan.waves, 2) };
  await refuses(t, world, [
    ['opened twice', 'EXISTS', open()],
    [
      'a resume before it is open',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'resume', rolloutId: plan.rolloutId, reason: '' })),
    ],
    ['by the distribution key', 'WRONG_ROLE', say(statementOf(plan, 1, OPEN), keys.distribution)],
    ['a skipped sequence', 'BAD_COUNTER', say(statementOf(plan, 2, OPEN))],
    ['another release', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { releaseLeaf: pending.leaf }))],
    ['another class', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { classId: new Uint8Array(16) }))],
    ['another window', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { window: undefined }))],
    ['other attempts', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { attemptsMax: 9 }))],
    ['everybody at once', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { cohorts: [{ threshold: EVERYONE }] }))],
    ['all waves at once', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, all))],
    ['a pause before it is open', 'NOT_PERMITTED', say(statementOf(plan, 1, PAUSED))],
    ['an abort that nobody asked for', 'NOT_PERMITTED', say(statementOf(plan, 1, ABORTED))],
  ]);
  await command(world, statementOf(plan, 1, OPEN));
  const second = { cohorts: unionOfWaves(plan.waves, 1) };
  await refuses(t, world, [
    ['the same statement again', 'DUPLICATE', say(statementOf(plan, 1, OPEN))],
    ['two waves at once', 'BAD_STATEMENT', say(statementOf(plan, 2, OPEN, all))],
    ['an abort that nobody asked for', 'NOT_PERMITTED', say(statementOf(plan, 2, ABORTED))],
  ]);
  await command(world, statementOf(plan, 2, OPEN, second));
  await command(world, statementOf(plan, 3, PAUSED, second));
  await refuses(t, world, [
    ['reopened after the pause', 'NOT_PERMITTED', say(statementOf(plan, 4, OPEN, second))],
    ['the old open replayed', 'BAD_COUNTER', say(statementOf(plan, 2, OPEN, second))],
  ]);
  await person(world, plan, 'resume');
  await refuses(t, world, [['resumed with a wave more', 'BAD_STATEMENT', say(statementOf(plan, 4, OPEN, all))]]);
  await command(world, statementOf(plan, 4, OPEN, second));
  await person(world, plan, 'pause');
  await refuses(t, world, [['advanced against a pause', 'NOT_PERMITTED', say(statementOf(plan, 5, OPEN, all))]]);
  await person(world, plan, 'abort');
  await refuses(t, world, [
    ['advanced against an abort', 'NOT_PERMITTED', say(statementOf(plan, 5, OPEN, all))],
    [
      'a resume after an abort',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'resume', rolloutId: plan.rolloutId, reason: '' })),
    ],
  ]);
  await command(world, statementOf(plan, 5, ABORTED, second));
  await refuses(t, world, [
    ['opened after the abort', 'NOT_PERMITTED', say(statementOf(plan, 6, OPEN, second))],
    ['paused after the abort', 'NOT_PERMITTED', say(statementOf(plan, 6, PAUSED, second))],
  ]);
});

rule('a rollout that takes the place of another ends it for good', async (t, engine) => {
  const world = await worldOf(t, engine);
  await addProduct(world);
  const release = await publish(world, 1);
  const first = planOf(release);
  const forgotten = planOf(release, { rolloutId: sha256(utf8('forgotten')).slice(0, 16) });
  const second = planOf(release, { rolloutId: sha256(utf8('second')).slice(0, 16) });
  await person(world, first, 'open');
  await command(world, statementOf(first, 1, OPEN));
  await person(world, forgotten, 'open');
  await person(world, second, 'open');
  await command(world, statementOf(second, 2, OPEN));
  await refuses(t, world, [
    [
      'the former advanced',
      'NOT_PERMITTED',
      signStatement(
        sha256,
        'rollout',
        rolloutValue(statementOf(first, 3, OPEN, { cohorts: unionOfWaves(first.waves, 1) })),
        world.keys.command,
      ),
    ],
    [
      'the former paused',
      'NOT_PERMITTED',
      signStatement(sha256, 'rollout', rolloutValue(statementOf(first, 3, PAUSED)), world.keys.command),
    ],
    [
      'a plan never carried out',
      'NOT_PERMITTED',
      signStatement(sha256, 'rollout', rolloutValue(statementOf(forgotten, 3, OPEN)), world.keys.command),
    ],
  ]);
  const rows = (await world.ledger.evaluate('listRollouts')) as { rolloutId: string; state: string; reason: string }[];
  const state = new Map(rows.map((row) => [row.rolloutId, `${row.state} ${row.reason}`]));
  t.regex(state.get(hexOf(first.rolloutId))!, /^aborted superseded by/);
  t.regex(state.get(hexOf(forgotten.rolloutId))!, /^aborted superseded by/);
});

async function actOn(
  world: World,
  signer: Person,
  action: string,
  object: Uint8Array,
  args?: Value,
): Promise<Uint8Array> {
  return tx(signer, {
    action,
    object,
    previous: await previousOf(world, object),
    ...(args === undefined ? {} : { args }),
  });
}

function flippedEnd(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 40]! ^= 1;
  return copy;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function deviceObject(id: Uint8Array): Uint8Array {
  return objectDigest(sha256, 'device', id);
}
