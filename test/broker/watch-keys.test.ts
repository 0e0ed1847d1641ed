/** The watch from outside on keys: centres that were not honest, and trust roots that nobody expects. */
import { join } from 'node:path';
import { createApi } from '@countersign/broker/face/api/app';
import { auditorRoutes } from '@countersign/broker/face/api/auditor-routes';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { readExpectation } from '@countersign/broker/face/watch/expectation';
import { logClient } from '@countersign/broker/face/watch/log-client';
import type { WatchOptions } from '@countersign/broker/face/watch/types';
import { Watch } from '@countersign/broker/face/watch/watch';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { hex, readSignedRoot, signHead, utf8 } from '@countersign/device-sdk/format';
import { C1, issuance, issueTo } from '@countersign/simulator/attacks/centre';
import test, { type ExecutionContext } from 'ava';
import { SILENT } from '../support/silent-log.ts';
import { act, newWorld, PRODUCT, sha256, verifier, type World, type WorldOptions } from './ledger-world.ts';

const TOKEN = 'a-token-for-this-test';

async function bed(t: ExecutionContext, change: WorldOptions = {}) {
  const world = await newWorld(change);
  t.teardown(() => world.end());
  const gate = { accepts: (header: string | undefined) => header === `Bearer ${TOKEN}` };
  const app = createApi({ server: 'ledger', gate, log: SILENT });
  t.teardown(() => app.close());
  await app.register(ledgerRoutes(world.ledger));
  await app.register(auditorRoutes(world.ledger));
  const client = logClient(await app.listen({ host: '127.0.0.1', port: 0 }), TOKEN);
  t.teardown(() => client.close());
  const watch = (name: string, text: string | undefined, change: Partial<WatchOptions> = {}) =>
    Watch.open({
      ...{ verifier, clients: [client], statePath: join(world.dir, name), command: 'cat >/dev/null' },
      ...{ trust: world.rootBytes, now: () => world.clock.now },
      expectation: text === undefined ? undefined : async () => readExpectation(verifier, utf8(text)),
      ...change,
    });
  return { world, watch, client };
}

/** The root after this one, signed. */
async function after({ keys }: World, bytes: Uint8Array, headAgeMax: number): Promise<Uint8Array> {
  const next = planNextRoot(verifier, readSignedRoot(sha256, bytes).root, { headAgeMax });
  return signedRootOf(sha256, next, [await signRootPayload(sha256, next, keys.root)]);
}

function expects({ people }: World, trustRoots?: string[]): string {
  const { vendorDomain, name } = PRODUCT;
  const uploaders = [hex(people.alice!.publicKey)];
  return JSON.stringify({ products: [{ vendorDomain, name, uploaders }], ...(trustRoots && { trustRoots }) });
}

test('two points of one centre for one identity are told once, with both, and again to whoever reads them first', async (t) => {
  const { centre, c1, d1, implicit } = await issuance();
  const { world, watch } = await bed(t, { implicit });
  const { bob } = world.people;
  await act(world, bob!, 'issueKey', c1.object, c1.args);
  await act(world, bob!, 'issueKey', d1.object, d1.args);
  const begun = await (await watch('a', expects(world))).round();
  t.deepEqual([begun.raised, begun.entries], [[], 5], 'one point each');
  const second = await issueTo(centre, C1);
  await act(world, bob!, 'issueKey', second.object, second.args);
  const told = await (await watch('a', expects(world))).round();
  t.is(told.raised.length, 1, 'by a watch that was started again');
  t.like(told.raised[0], { kind: 'convicted-centre', code: 'EXISTS' });
  t.like(told.raised[0]!.evidence, { entry: 5, first: hex(c1.key.point), second: hex(second.key.point) });
  t.regex(told.raised[0]!.text, /two points for collection c1, epoch 1/);
  t.deepEqual((await (await watch('a', expects(world))).round()).raised, []);
  const late = await (await watch('b', expects(world))).round();
  t.deepEqual(
    late.raised.map(({ kind }) => kind),
    ['convicted-centre'],
  );
});

test('a next trust root is told once, unless it was expected', async (t) => {
  const { world, watch } = await bed(t);
  const bytes = await after(world, world.rootBytes, 90_000);
  const trustRoot = hex(sha256(bytes));
  const names = ['without', 'other', 'expected'] as const;
  const texts = { without: undefined, other: expects(world, ['0'.repeat(64)]), expected: expects(world, [trustRoot]) };
  for (const name of names) t.deepEqual((await (await watch(name, texts[name])).round()).raised, [], name);
  await world.ledger.submit(bytes);
  for (const name of names) {
    const { raised } = await (await watch(name, texts[name])).round();
    t.deepEqual(
      raised.map(({ kind, code, evidence }) => [kind, code, evidence]),
      name === 'expected' ? [] : [['new-root', 'NOT_PERMITTED', { version: 2, trustRoot }]],
      name,
    );
    t.deepEqual((await (await watch(name, texts[name])).round()).raised, [], `${name}, once`);
  }
  for (const wrong of [['ab'], [7], 'x', ['G'.repeat(64)]]) {
    const text = JSON.stringify({ ...JSON.parse(expects(world)), trustRoots: wrong });
    t.is(codeOf(t.throws(() => readExpectation(verifier, utf8(text)))), 'BAD_REQUEST');
  }
});

test('a watch begins and goes on with any trust root that the log leads to', async (t) => {
  const { world, watch, client } = await bed(t);
  const kept = await watch('kept', undefined);
  t.deepEqual((await kept.round()).raised, []);
  const second = await after(world, world.rootBytes, 90_000);
  const third = await after(world, second, 91_000);
  const early = watch('early', undefined, { trust: third });
  t.is(codeOf(await t.throwsAsync(early)), 'BAD_ROOT', 'nobody shows it yet');
  for (const bytes of [second, third]) await world.ledger.submit(bytes);

  for (const trust of [second, third]) {
    const name = `of ${trust === third ? 3 : 2}`;
    const report = await (await watch(name, expects(world), { trust })).round();
    const later = trust === third ? [] : ['new-root'];
    t.deepEqual([report.entries, report.anchored, report.raised.map(({ kind }) => kind)], [5, true, later], name);
    t.like(
      await (await watch(name, expects(world), { trust: third })).round(),
      { entries: 5, raised: [] },
      'and again',
    );
  }
  const gone = { ...client, roots: () => Promise.reject(new Refusal('UNREACHABLE', 'not now')) };
  const told = await (await watch('kept', undefined, { trust: third, clients: [gone, client] })).round();
  t.deepEqual([told.raised, told.entries], [[], 5], 'what was kept goes on under the root that its owner knows');
  t.like(
    await (await watch('kept', undefined, { clients: [gone] })).round(),
    { entries: 5 },
    'an earlier one asks nobody',
  );
  const untold = await (await watch('untold', undefined, { trust: undefined })).round();
  t.false(untold.anchored);
  t.true((await (await watch('untold', undefined, { trust: third })).round()).anchored, 'it was the true one');

  // Signed by the root key, and in no log: of whoever shows it, and of whoever was told it from outside.
  const other = await after(world, second, 92_000);
  for (const [name, clients] of Object.entries({ kept: [client], new: [client], silent: [gone] })) {
    const code = name === 'silent' ? 'UNREACHABLE' : 'BAD_ROOT';
    t.is(codeOf(await t.throwsAsync(watch(name, undefined, { trust: other, clients }))), code, name);
  }
});

test('more trust roots than are taken in one look are taken in the next one', async (t) => {
  const { world, watch } = await bed(t);
  let bytes = world.rootBytes;
  for (let i = 0; i < 17; i++) {
    bytes = await after(world, bytes, 90_000 + i);
    await world.ledger.submit(bytes);
  }
  const first = await (await watch('a', undefined)).round();
  t.deepEqual([first.raised.length, first.entries, first.servers[0]!.problem?.code], [16, 0, 'OLD_ROOT']);
  const second = await (await watch('a', undefined)).round();
  t.deepEqual([second.raised.length, second.entries, second.servers[0]!.problem], [1, 20, null]);
  t.true([...first.raised, ...second.raised].every(({ kind }) => kind === 'new-root'));
});

test('a tree that was signed under the root from outside and does not hold it is told', async (t) => {
  const { world, watch, client } = await bed(t);
  const second = await after(world, world.rootBytes, 90_000);
  const { head } = await world.ledger.head();
  const roots = async () => [world.rootBytes, second];
  const signed = await signHead(sha256, { ...head, rootVersion: 2 }, world.keys.log);
  const liar = { ...client, roots, head: async () => ({ ...(await client.head()), signed }) };
  async function* nothing(): AsyncGenerator<never> {
    yield await Promise.reject(new Refusal('UNREACHABLE', 'not now'));
  }
  const options = { trust: second, clients: [{ ...liar, leafHashes: nothing }] };
  t.deepEqual((await (await watch('a', undefined, options)).round()).raised, []);
  const report = await (await watch('a', undefined, { trust: second, clients: [liar] })).round();
  t.deepEqual(
    report.raised.map(({ kind }) => kind),
    ['split-view'],
    'by a watch that was started again, too',
  );
  await world.ledger.submit(second);
  t.like(await (await watch('a', undefined, { trust: second })).round(), { standing: [], entries: 4 });
});
