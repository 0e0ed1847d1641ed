/** The next trust root as an entry: which keys sign its block, who accepts it, and what is refused. */
import { activeKeys, planNextRoot, type RootChange, rotation } from '@countersign/broker/keys/next-root';
import { acceptedSigner, type RoleSigners } from '@countersign/broker/keys/signers';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { readBlock } from '@countersign/broker/ledger/log/block';
import { codeOf } from '@countersign/device-sdk';
import {
  encodeRoot,
  publicKeyOf,
  type Role,
  readHead,
  readSignedRoot,
  type Signer,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { openRoot, verifyHead } from '@countersign/device-sdk/verify';
import { blocksOf, replayed, signedBlock } from '@countersign/simulator/attacks/server/blocks';
import { currentRoot, kidIn, nextRoot, signedRoot } from '@countersign/simulator/attacks/server/next-roots';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  PRODUCT_OBJECT,
  publish,
  sha256,
  verifier,
} from './ledger-world.ts';

/** A role's keys as a server with a folder has them: more come later. */
function several(role: Role, signers: Signer[]): RoleSigners {
  return { under: async (root) => acceptedSigner(verifier, root, role, signers) };
}

async function rotatingWorld(t: ExecutionContext) {
  const world = await newWorld();
  const [orderers, logs, roots] = [[world.keys.orderer], [world.keys.log], [world.keys.root]];
  await world.ledger.close();
  const options = { ordererSigner: several('orderer', orderers), logSigner: several('log', logs) };
  const open = () => openLedger(world.dir, { ...options, verifier, now: () => world.clock.now });
  world.ledger = await open();
  t.teardown(() => world.end());
  const current = () => currentRoot(world);
  const sign = (next: TrustRoot, by: readonly Signer[] = roots) => signedRoot(next, by);
  const next = (change: RootChange, by: readonly Signer[] = roots) => nextRoot(world, change, by);
  return { world, orderers, logs, roots, open, current, sign, next };
}

test('both ledger keys are exchanged: the block of the new root is signed by the keys that it names, alone', async (t) => {
  const { world, orderers, logs, open, current, sign, next } = await rotatingWorld(t);
  const first = await current();
  const [orderer, log] = [newSigner(), newSigner()];
  const device = newDevice();
  await addProduct(world);
  await enrolDevices(world, [device]);
  const change = {
    add: [
      { role: 'orderer' as const, key: publicKeyOf(orderer) },
      { role: 'log' as const, key: publicKeyOf(log) },
    ],
    remove: [kidIn(world.keys.orderer), kidIn(world.keys.log)],
  };
  const bytes = await next(change);
  // Without the keys that it names, the ledger would end with it.
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(bytes))), 'UNKNOWN_KEY');
  t.is((await current()).version, 1);
  orderers.push(orderer);
  logs.push(log);
  // Before and behind it in the queue stand others: it is alone in its block all the same.
  const [before, rooted, after] = await Promise.all([
    world.ledger.submit(await nextReport(device)),
    world.ledger.submit(bytes),
    world.ledger.submit(await nextReport(device)),
  ]);
  t.deepEqual([before.blockNumber + 1, rooted.blockNumber + 1], [rooted.blockNumber, after.blockNumber]);
  const blocks = await blocksOf(world);
  const block = readBlock(blocks[rooted.blockNumber]!);
  t.deepEqual([block.transactions.length, block.header.rootVersion], [1, 2]);
  const signed = readHead(block.head);
  const second = await current();
  t.is(verifyHead(verifier, second, signed, block.header.root).rootVersion, 2);
  t.is(codeOf(t.throws(() => verifyHead(verifier, first, signed, block.header.root))), 'UNKNOWN_KEY');
  t.is((await replayed(blocks)).point.root!.version, 2);
  await world.ledger.close();
  const { orderer: ordererSigner, log: logSigner } = world.keys;
  t.is(codeOf(await t.throwsAsync(openLedger(world.dir, { ordererSigner, logSigner, verifier }))), 'UNKNOWN_KEY');
  world.ledger = await open();
  t.is((await world.ledger.roots(2)).length, 1);
  t.true((await auditFolder(world.dir, { trust: world.rootBytes })).ok);
  await world.ledger.submit(await nextReport(device));
  // Whoever has only a later root from outside finds it in the ledger, or another one.
  const [later] = await world.ledger.roots(2);
  const { signed: kept } = await world.ledger.head();
  const audit = await auditFolder(world.dir, { trust: later!, head: kept });
  t.true(audit.anchored, JSON.stringify(audit.problems));
  t.regex(audit.note, /before trust root 2 was judged by earlier roots/);
  const other = await sign(planNextRoot(verifier, readSignedRoot(sha256, world.rootBytes).root, { headAgeMax: 77 }));
  const { problems } = await auditFolder(world.dir, { trust: other });
  t.deepEqual(
    problems.map(({ code, where }) => [code, where]),
    [['BAD_ROOT', 'the trust root from outside']],
  );
});

test('what no device could live with, and what too few have signed, is no next trust root', async (t) => {
  const { world, current, sign, next, roots } = await rotatingWorld(t);
  const root = await current();
  const plan = (change: RootChange) => planNextRoot(verifier, root, change);
  const stolen = kidIn(world.keys.distribution);
  const spare = newSigner();
  const strangers = {
    ...plan({}),
    roles: { ...plan({}).roles, root: { threshold: 1, keys: [publicKeyOf(spare)], implicit: [] } },
  };
  const rows: [why: string, code: string, bytes: Uint8Array][] = [
    ['the same version', 'BAD_ROOT', await sign({ ...plan({ headAgeMax: 5 }), version: 1 })],
    ['a version left out', 'BAD_ROOT', await sign({ ...plan({}), version: 3 })],
    ['the root in force once more', 'DUPLICATE', world.rootBytes],
    ['a stranger instead of the root key', 'BAD_ROOT', await sign(plan({}), [spare])],
    ['the new root keys alone', 'BAD_ROOT', await sign(strangers, [spare])],
    ['the old root keys alone', 'BAD_ROOT', await sign(strangers, roots)],
    ['all keys of a role revoked', 'BAD_ROOT', await sign(plan({ revoke: [{ kid: stolen, logSize: 3 }] }))],
    ['another ledger', 'BAD_ROOT', await sign({ ...plan({}), origin: 'elsewhere' })],
    [
      "a person's key as a server's",
      'EXISTS',
      await sign(plan({ add: [{ role: 'service', key: publicKeyOf(world.people.alice!) }] })),
    ],
    ['other bytes', 'MALFORMED', new Uint8Array([0x82, 1, 2])],
  ];
  for (const [why, code, bytes] of rows)
    t.is(codeOf(await t.throwsAsync(world.ledger.submit(bytes))), code as never, why);
  const fresh = newSigner();
  await world.ledger.submit(await next(rotation(verifier, root, 'distribution', [publicKeyOf(fresh)], 3, true)));
  const second = await current();
  t.deepEqual(activeKeys(verifier, second, 'distribution'), [publicKeyOf(fresh)]);
  // A root that forgets a revocation would let the thief in again.
  const forgot = { ...planNextRoot(verifier, second, {}), revocations: [] };
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(await sign(forgot)))), 'BAD_ROOT');
  // The first root once more: an old root, replayed.
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(world.rootBytes))), 'BAD_ROOT');
  t.is((await current()).version, 2);
});

test('a revoked collection key confirms nothing new; what it signed before stays', async (t) => {
  const { world, current, next } = await rotatingWorld(t);
  await addProduct(world);
  const before = await publish(world, 1);
  const { size } = (await world.ledger.head()).head;
  const fresh = newSigner();
  await world.ledger.submit(await next(rotation(verifier, await current(), 'collection', [publicKeyOf(fresh)], size)));
  t.is(codeOf(await t.throwsAsync(publish(world, 2, before.leaf))), 'REVOKED');
  world.keys.collection = fresh;
  await publish(world, 2, before.leaf);
});

test('a revoked service key, and a root key that was revoked, are refused at once', async (t) => {
  const { world, current, next, roots } = await rotatingWorld(t);
  await addProduct(world);
  const { size } = (await world.ledger.head()).head;
  const [service, second] = [newSigner(), newSigner()];
  const change = rotation(verifier, await current(), 'service', [publicKeyOf(service)], size, true);
  await world.ledger.submit(await next(change));
  t.is(codeOf(await t.throwsAsync(enrolDevices(world, [newDevice()]))), 'REVOKED');
  await enrolDevices(world, [newDevice()], service);
  const thief = roots[0]!;
  const swap = rotation(verifier, await current(), 'root', [publicKeyOf(second)], size, true);
  await world.ledger.submit(await next(swap, [thief, second]));
  // It is listed still, and counts for nothing.
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(await next({ headAgeMax: 9 }, [thief])))), 'BAD_ROOT');
  await world.ledger.submit(await next({ headAgeMax: 99 }, [second]));
  t.is((await current()).headAgeMax, 99);
  t.is(codeOf(await t.throwsAsync(act(world, world.keys.service, 'product', PRODUCT_OBJECT))), 'REVOKED');
});

test('a block that holds a trust root and anything else, or that former keys have signed, is refused by whoever replays', async (t) => {
  const { world, logs, orderers, next } = await rotatingWorld(t);
  const [orderer, log] = [newSigner(), newSigner()];
  orderers.push(orderer);
  logs.push(log);
  const add = [
    { role: 'orderer' as const, key: publicKeyOf(orderer) },
    { role: 'log' as const, key: publicKeyOf(log) },
  ];
  await world.ledger.submit(await next({ add, remove: [kidIn(world.keys.orderer), kidIn(world.keys.log)] }));
  const blocks = await blocksOf(world);
  const last = readBlock(blocks.at(-1)!);
  const before = blocks.slice(0, -1);
  const signed = (by: Signer, head: Signer, transactions = last.transactions) =>
    signedBlock(last.header, transactions, by, head);
  await replayed([...before, await signed(orderer, log)]);
  const rows: [why: string, code: string, block: Uint8Array][] = [
    ['the former orderer', 'UNKNOWN_KEY', await signed(world.keys.orderer, log)],
    ['the former log key', 'UNKNOWN_KEY', await signed(orderer, world.keys.log)],
    ['two entries', 'BAD_BLOCK', await signed(orderer, log, [...last.transactions, ...last.transactions])],
  ];
  for (const [why, code, block] of rows)
    t.is(codeOf(await t.throwsAsync(replayed([...before, block]))), code as never, why);
});

test('two roots of one version: whoever took one refuses the other, and the ledger holds one', async (t) => {
  const { world, current, sign, next } = await rotatingWorld(t);
  const root = await current();
  const [one, other] = [
    await next({ headAgeMax: 1000 }),
    await sign(planNextRoot(verifier, root, { headAgeMax: 2000 })),
  ];
  await world.ledger.submit(one);
  t.is(codeOf(await t.throwsAsync(world.ledger.submit(other))), 'BAD_ROOT');
  t.notDeepEqual(openRoot(verifier, one).payload, openRoot(verifier, other).payload);
  t.deepEqual((await world.ledger.roots(2))[0], one);
  t.deepEqual(encodeRoot(readSignedRoot(sha256, one).root), readSignedRoot(sha256, one).payload);
});
