/** The watch from outside on keys: centres that were not honest, and trust roots that nobody expects. */
import { join } from 'node:path';
import { createApi } from '@countersign/broker/face/api/app';
import { auditorRoutes } from '@countersign/broker/face/api/auditor-routes';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { readExpectation } from '@countersign/broker/face/watch/expectation';
import { logClient } from '@countersign/broker/face/watch/log-client';
import { Watch } from '@countersign/broker/face/watch/watch';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { codeOf } from '@countersign/device-sdk';
import { hex, readSignedRoot, utf8 } from '@countersign/device-sdk/format';
import { C1, issuance, issueTo } from '@countersign/simulator/attacks/centre';
import test, { type ExecutionContext } from 'ava';
import { act, newWorld, PRODUCT, sha256, verifier, type World, type WorldOptions } from './ledger-world.ts';

const TOKEN = 'a-token-for-this-test';
const log = { debug() {}, info() {}, warn() {}, error() {} };

async function bed(t: ExecutionContext, change: WorldOptions = {}) {
  const world = await newWorld(change);
  t.teardown(() => world.end());
  const gate = { accepts: (header: string | undefined) => header === `Bearer ${TOKEN}` };
  const app = createApi({ server: 'ledger', gate, log });
  t.teardown(() => app.close());
  await app.register(ledgerRoutes(world.ledger));
  await app.register(auditorRoutes(world.ledger));
  const client = logClient(await app.listen({ host: '127.0.0.1', port: 0 }), TOKEN);
  t.teardown(() => client.close());
  const watch = (name: string, text: string | undefined) =>
    Watch.open({
      ...{ verifier, clients: [client], statePath: join(world.dir, name), command: 'cat >/dev/null' },
      ...{ trust: world.rootBytes, now: () => world.clock.now },
      expectation: text === undefined ? undefined : async () => readExpectation(verifier, utf8(text)),
    });
  return { world, watch };
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
  const next = planNextRoot(verifier, readSignedRoot(sha256, world.rootBytes).root, { headAgeMax: 90_000 });
  const bytes = signedRootOf(sha256, next, [await signRootPayload(sha256, next, world.keys.root)]);
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
