/** The watch from outside: what raises the alarm, what does not, and what it remembers. Real servers, real commands. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '@countersign/broker/face/api/app';
import { auditorRoutes } from '@countersign/broker/face/api/auditor-routes';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { type Alarm, raise } from '@countersign/broker/face/watch/alarm';
import { readExpectation } from '@countersign/broker/face/watch/expectation';
import { type LogClient, logClient } from '@countersign/broker/face/watch/log-client';
import type { WatchOptions } from '@countersign/broker/face/watch/types';
import { Watch } from '@countersign/broker/face/watch/watch';
import { objectDigest, productArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { type EmbeddedLedger, openLedger } from '@countersign/broker/ledger/embedded/engine';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { type Head, hex, readHead, type Signer, signHead, utf8 } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { runHere } from '../support/command-here.ts';
import { SILENT } from '../support/silent-log.ts';
import {
  act,
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  PRODUCT,
  publish,
  sha256,
  VENDOR,
  verifier,
  type World,
  type WorldOptions,
} from './ledger-world.ts';

const TOKEN = 'a-token-for-this-test';
const ALARM = { kind: 'split-view', code: 'SPLIT_VIEW', text: 'x', url: 'http://a', evidence: {}, id: 'x' } as const;

test('a log that grows as it should is followed in silence, over restarts of the watch', async (t) => {
  const { world, url, watch, alarms } = await bed(t);
  const first = await (await watch()).round();
  t.like(first, { entries: 3, anchored: true, raised: [], failed: [], standing: [] });
  await addProduct(world);
  await publish(world, 1);
  const again = await watch({ clients: [logClient(url, undefined)] });
  const { head } = await world.ledger.head();
  const report = await again.round();
  t.like(report, { entries: head.size, root: hex(head.root), raised: [], standing: [] });
  t.deepEqual(report.servers, [{ url, size: head.size, time: head.time, problem: null }]);
  t.deepEqual(await alarms(), []);
  const unanchored = await watch({ trust: undefined, statePath: join(world.dir, 'other') });
  t.false((await unanchored.round()).anchored);
});

test('a release that another key uploaded is told twice, when it is uploaded and when it is confirmed', async (t) => {
  const { world, watch, alarms, url } = await bed(t);
  await addProduct(world);
  const mine = expectation([world.people.alice!]);
  const owner = await watch({ expectation: mine });
  await publish(world, 1);
  t.like(await owner.round(), { raised: [], expectationProblem: null }, "alice's own release");
  const other = await watch({ expectation: expectation([newSigner()]), statePath: join(world.dir, 'other') });
  const { raised } = await other.round();
  t.deepEqual(
    raised.map(({ kind, code, url }) => [kind, code, url]),
    [
      ['unexpected-release', 'NOT_PERMITTED', url],
      ['unexpected-release', 'NOT_PERMITTED', url],
    ],
  );
  t.regex(raised[0]!.text, /uploaded by another key/);
  t.regex(raised[1]!.text, /confirmed/);
  t.deepEqual((await other.round()).raised, [], 'once');
  const told = await alarms();
  t.deepEqual(
    told.map(({ evidence }) => evidence.releaseLeaf),
    raised.map(({ evidence }) => evidence.releaseLeaf),
  );
  const elsewhere = await watch({
    expectation: expectation([newSigner()], 'pump'),
    statePath: join(world.dir, 'third'),
  });
  const { raised: none, expectationProblem } = await elsewhere.round();
  t.deepEqual(none, [], "another's product");
  t.is(expectationProblem?.code, 'NOT_FOUND');
  t.regex(expectationProblem!.text, /no product pump of /, 'and a product that is not there is said');
  const blind = await watch({
    expectation: mine,
    clients: [logClient(url, 'wrong')],
    statePath: join(world.dir, 'fourth'),
  });
  const { entries, servers } = await blind.round();
  t.deepEqual(
    [entries, servers[0]!.problem?.code],
    [0, 'UNAUTHORIZED'],
    'entries that were not read are not passed over',
  );
});

test('a stale head is told once, and again only after a fresh one', async (t) => {
  const { world, watch, url } = await bed(t);
  let now = world.clock.now;
  const watching = await watch({ now: () => now });
  t.deepEqual((await watching.round()).standing, []);
  now += 86_401;
  const stale = await watching.round();
  t.deepEqual(
    stale.raised.map(({ kind, code }) => [kind, code]),
    [['stale-head', 'FREEZE']],
  );
  const still = await watching.round();
  t.deepEqual([still.raised.length, still.standing.length], [0, 1]);
  t.is((await (await watch({ now: () => now })).round()).raised.length, 0, 'a watch that was restarted remembers');
  world.clock.now = now;
  await world.ledger.refreshHead();
  t.deepEqual((await watching.round()).standing, []);
  now += 86_401;
  t.is((await watching.round()).raised.length, 1);
  now = world.clock.now;
  const gone = await watch({
    ...{ clients: [logClient('http://127.0.0.1:9', undefined), logClient(url, undefined)], headAgeMax: 5 },
    ...{ statePath: join(world.dir, 'other'), now: () => now },
  });
  t.deepEqual((await gone.round()).servers[0]!.problem?.code, 'UNREACHABLE');
  now += 6;
  const ids = (await gone.round()).raised.map(({ url }) => url);
  t.deepEqual(ids, ['http://127.0.0.1:9', url], 'a server that never answers is stale, too');
});

test('a head that the quorum has not signed is told after five minutes, and keeps no server fresh', async (t) => {
  const { world, watch, url } = await bed(t, { quorum: 1 });
  let now = world.clock.now;
  let by: Signer = world.keys.peer;
  const client = logClient(url, undefined);
  const { head } = client;
  const cosignatures = async (shown: Head) => {
    const { kid, alg, sign1 } = readHead(await signHead(sha256, shown, by));
    return [{ kid, alg, signature: sign1.signature }];
  };
  client.head = async () => {
    const shown = await head();
    return { ...shown, cosignatures: await cosignatures(shown.head) };
  };
  const watching = await watch({ clients: [client], now: () => now });
  const first = await watching.round();
  t.deepEqual([first.standing, first.servers[0]!.problem], [[], null]);

  by = newSigner();
  await addProduct(world);
  const looks = async (seconds: number, at = watching) => {
    now += seconds;
    return at.round();
  };
  const seen = await looks(0);
  t.deepEqual([seen.raised, seen.servers[0]!.problem?.code, seen.servers[0]!.size], [[], 'NO_QUORUM', first.entries]);
  t.deepEqual((await looks(299)).raised, [], 'peers may be restarted');
  const told = (await looks(1)).raised;
  t.deepEqual(
    told.map(({ kind, code, url }) => [kind, code, url]),
    [['no-quorum', 'NO_QUORUM', url]],
  );
  t.is(told[0]!.evidence.size, seen.entries);
  const again = await looks(60, await watch({ clients: [client], now: () => now }));
  t.deepEqual([again.raised.length, again.standing.length], [0, 1], 'once, over restarts');

  by = world.keys.peer;
  t.deepEqual((await looks(1)).standing, []);
  const { head: shown } = client;
  client.head = async () => {
    throw new Refusal('NO_QUORUM', '0 of 1 peers have cosigned');
  };
  t.deepEqual((await looks(1)).raised, []);
  t.is((await looks(300)).raised[0]?.kind, 'no-quorum', 'a server that says so itself');
  client.head = shown;
  t.deepEqual((await looks(1)).standing, []);

  by = newSigner();
  world.clock.now = now + 86_402;
  await world.ledger.refreshHead();
  const { raised } = await looks(86_402);
  t.deepEqual(
    raised.map(({ kind }) => kind),
    ['stale-head'],
    'no device takes the new one',
  );
});

test('what is expected may change: entries that were verified before are held against it, too', async (t) => {
  // The command has the true time.
  const { world, watch, url } = await bed(t, { begins: Math.floor(Date.now() / 1000) });
  await addProduct(world);
  await publish(world, 1);
  let expected: Signer[] | undefined = [world.people.alice!];
  const client = logClient(url, TOKEN);
  const options = {
    clients: [client],
    expectation: async () => {
      if (!expected) throw new Refusal('BAD_REQUEST', 'half a file');
      return expectation(expected)();
    },
  };
  const watching = await watch(options);
  t.deepEqual((await watching.round()).raised, []);
  const releases = async (at = watching) => (await at.round()).raised.map(({ evidence }) => evidence.entry);

  expected = [newSigner()];
  const told = await releases();
  t.is(told.length, 2, 'uploaded and confirmed');
  t.deepEqual(await releases(), [], 'once');
  expected = [world.people.alice!];
  t.deepEqual(await releases(), []);

  // A file that is being written, and a server that keeps the entries back: said, and tried again.
  expected = undefined;
  const broken = await watching.round();
  t.deepEqual([broken.expectationProblem?.code, broken.servers[0]!.problem], ['BAD_REQUEST', null]);
  expected = [newSigner()];
  const { entries } = client;
  client.entries = async function* (): AsyncGenerator<never> {
    yield await Promise.reject(new Refusal('UNREACHABLE', 'not now'));
  };
  t.is((await watching.round()).expectationProblem?.code, 'UNREACHABLE');
  client.entries = entries;
  t.deepEqual(await releases(await watch(options)), told, 'a watch that was restarted meanwhile knows');

  // Other entries than were verified are another tree.
  expected = [newSigner()];
  client.entries = (from, to, size) => entries(from, to - 1, size);
  t.deepEqual(
    (await watching.round()).raised.map(({ kind }) => kind),
    ['split-view'],
  );

  const [file, state] = [join(world.dir, 'expect.json'), join(world.dir, 'cli.json')];
  const args = ['audit', '--watch', url, '--once', '--json', '--state', state, '--alarm', 'true', '--expect', file];
  const looks = async (key: Signer) => {
    await writeFile(file, expectationText([{ publicKey: key.publicKey }]));
    const { code, stdout } = await runHere(...args, '--token', TOKEN);
    return [code, JSON.parse(stdout).raised.length];
  };
  t.deepEqual(await looks(world.people.alice!), [0, 0]);
  t.deepEqual(await looks(newSigner()), [1, 2]);
});

test('a head whose tree is not shown, or that is of the future, keeps no server fresh', async (t) => {
  const { world, watch, url } = await bed(t);
  let now = world.clock.now;
  const silence = async (): Promise<never> => {
    throw new Refusal('UNREACHABLE', 'not for you');
  };
  async function* hidden(): AsyncGenerator<never> {
    yield await silence();
  }
  const clients: LogClient[] = [logClient(url, undefined)];
  const watching = await watch({ clients, now: () => now });
  t.deepEqual((await watching.round()).standing, []);
  const { leafHashes } = clients[0]!;
  Object.assign(clients[0]!, { leafHashes: hidden, consistency: silence });
  await addProduct(world);
  now += 86_401;
  world.clock.now = now;
  await world.ledger.refreshHead();
  const told = await watching.round();
  t.deepEqual(
    told.raised.map(({ kind }) => kind),
    ['stale-head'],
  );
  t.is(told.servers[0]!.problem?.code, 'UNREACHABLE');

  Object.assign(clients[0]!, { leafHashes });
  t.deepEqual((await watching.round()).standing, []);
  world.clock.now = now + 86_401;
  await world.ledger.refreshHead();
  t.like((await watching.round()).raised[0], { kind: 'bad-head', code: 'BAD_HEAD' });
});

test('a tree that is never read to its end does not hold the watch up for ever', async (t) => {
  const { watch, url } = await bed(t);
  const client = logClient(url, undefined);
  let ms = 0;
  const slow: LogClient = {
    ...client,
    async *leafHashes() {
      for (;;) {
        ms += 60_000;
        yield [new Uint8Array(32)];
      }
    },
  };
  const watching = await watch({ clients: [slow], elapsedMs: () => ms });
  const { servers, entries } = await watching.round();
  t.deepEqual([servers[0]!.problem?.code, entries], ['UNREACHABLE', 0]);
  t.is(ms, 2 * 6 * 3_600_000, 'for the head, and for the checkpoint');
});

test('a server that shows fewer entries than before is told', async (t) => {
  const { world, watch, url, fork, serve } = await bed(t);
  const old = await serve(await fork());
  await addProduct(world);
  const path = { statePath: join(world.dir, 'shrunk') };
  await (await watch(path)).round();
  const shrunk = await watch({ ...path, clients: [{ ...logClient(old, undefined), url }] });
  const report = await shrunk.round();
  t.deepEqual(
    report.raised.map(({ kind, code }) => [kind, code]),
    [['shrunken-head', 'STALE']],
  );
  t.is(report.entries, 4, 'what was verified stays');
  t.deepEqual(report.servers[0]!.size, 4);
  t.is((await shrunk.round()).raised.length, 0);
  t.deepEqual((await (await watch(path)).round()).standing, [], 'over, once it is back');
});

test('two heads that disagree are told, whoever shows them and whatever their sizes', async (t) => {
  const { world, watch, url, fork, serve } = await bed(t);
  const other = await fork();
  const liar = await serve(other);
  await addProduct(world);
  const both = [logClient(url, undefined), logClient(liar, undefined)];
  const watching = await watch({ clients: both });
  const behind = await watching.round();
  t.deepEqual([behind.raised, behind.entries], [[], 4], 'a server that lags behind is of one history');
  await addOther(world, other, 'pump');
  const equal = await watching.round();
  t.is(equal.raised.length, 1, 'once for the head and the checkpoint that say the same');
  t.like(equal.raised[0], { kind: 'split-view', code: 'SPLIT_VIEW', url: liar });
  t.deepEqual(Object.keys(equal.raised[0]!.evidence).sort(), ['head', 'root', 'size']);
  await addOther(world, other, 'valve');
  t.like((await watching.round()).raised[0], { kind: 'split-view', url: liar }, 'a longer one');
  for (let i = 0; i < 3; i++) await enrolDevices(world, [newDevice()]);
  const report = await watching.round();
  t.true(report.standing[0]!.startsWith(`split-view ${liar} 5 `), 'one that is behind by now, and was told');
  t.is(report.entries, 7, 'the history that was followed first is followed on');
  const mixed = await serve(world.ledger, other);
  const shown = await watch({ clients: [logClient(mixed, undefined)], statePath: join(world.dir, 'mixed') });
  t.like((await shown.round()).raised[0], { kind: 'split-view' }, 'devices and auditors see two logs');
  const kept = (await other.head()).signed;
  const outside = await watch({ head: kept, statePath: join(world.dir, 'outside') });
  t.like(
    (await outside.round()).raised[0],
    { kind: 'split-view', code: 'SPLIT_VIEW' },
    'a head that was kept elsewhere',
  );
  const good = await watch({ head: (await world.ledger.head()).signed, statePath: join(world.dir, 'good') });
  t.deepEqual((await good.round()).raised, []);
});

test("a head that the log's key did not sign is told", async (t) => {
  const { watch, serve, world } = await bed(t);
  const stranger = await newWorld();
  t.teardown(() => stranger.end());
  const url = await serve(stranger.ledger);
  const watching = await watch({ clients: [logClient(url, undefined)], statePath: join(world.dir, 'stranger') });
  const report = await watching.round();
  t.like(report.raised[0], { kind: 'bad-head', code: 'UNKNOWN_KEY', url });
  t.is(report.entries, 0);
});

test('what happened reaches the command as data: nothing of it is run', async (t) => {
  const dir = await folder(t);
  const evil = '$(touch pwned) `touch pwned` ; touch pwned\n\u001b[2J"\'';
  const command = `cd '${dir}' && cat > alarm.json && printf '%s' "$COUNTERSIGN_ALARM_KIND|$COUNTERSIGN_ALARM_TEXT" > env`;
  const alarm: Alarm = { ...ALARM, text: evil, url: `http://${evil}`, evidence: { head: evil } };
  t.is(await raise(command, alarm, evil), undefined);
  t.deepEqual(JSON.parse(await readFile(join(dir, 'alarm.json'), 'utf8')), { ...alarm, origin: evil });
  const env = await readFile(join(dir, 'env'), 'utf8');
  t.is(env, `split-view|${evil.replace(/\p{Cc}/gu, ' ')}`);
  t.false(existsSync(join(dir, 'pwned')));
});

test('a command that fails or hangs is ended, and its alarm is raised again', async (t) => {
  t.regex((await raise('exit 3', ALARM, 'o'))!, /ended with 3/);
  t.regex((await raise('sleep 600 & sleep 600', ALARM, 'o', 200))!, /longer than 200 ms/);
  const { watch, world } = await bed(t);
  const options = { now: () => world.clock.now + 100_000 };
  const failed = await (await watch({ ...options, command: 'exit 1' })).round();
  t.deepEqual([failed.raised.length, failed.failed.length], [0, 1]);
  t.is((await (await watch(options)).round()).raised.length, 1, 'by the next watch, as soon as it can');
  t.is((await (await watch(options)).round()).raised.length, 0);
});

test('a damaged state is refused, and so is what makes no sense', async (t) => {
  const { world, url } = await bed(t);
  const state = join(world.dir, 'state.json');
  const expect = join(world.dir, 'expect.json');
  await writeFile(expect, expectationText([newSigner()]));
  const args = ['audit', '--watch', url, '--once', '--json', '--state', state];
  await writeFile(state, '{"format":"countersign-watch-1"}');
  t.is(JSON.parse((await runHere(...args, '--alarm', 'true')).stdout).error.code, 'BAD_STORE');
  for (const wrong of [
    ['--watch', url],
    ['--watch', url, url, '--alarm', 'true'],
    ['--watch', 'ftp://x', '--alarm', 'true'],
    ['--watch', url, '--alarm', 'true', '--interval', '0'],
    ['--watch', url, '--alarm', 'true', '--expect', expect],
    ['--watch', url, '--alarm', 'true', '--server', url],
    [world.dir, '--alarm', 'true'],
    [world.dir, '--expect', expect],
  ])
    t.is((await runHere('audit', ...wrong)).code, 2, wrong.join(' '));
});

test('an expectation says exactly which keys upload which products', (t) => {
  const key = newSigner();
  const product = { vendorDomain: 'example.com', name: 'node', uploaders: [hex(key.publicKey)] };
  const read = (value: unknown) => readExpectation(verifier, utf8(JSON.stringify(value)));
  t.deepEqual(read({ products: [product] }).products[0]!.uploaders[0]!.bytes, new Uint8Array(key.publicKey));
  for (const [what, value] of [
    ['nothing', {}],
    ['no products', { products: [] }],
    ['no uploaders', { products: [{ ...product, uploaders: [] }] }],
    ['half a key', { products: [{ ...product, uploaders: ['ab'] }] }],
    ['a word too many', { products: [{ ...product, keys: [] }] }],
    ['a mistyped word', { products: [{ vendordomain: 'a', name: 'b', uploaders: ['c'] }] }],
  ] as const)
    t.is(codeOf(t.throws(() => read(value), undefined, what)), 'BAD_REQUEST', what);
  const small = { products: [{ ...product, uploaders: [hex(Uint8Array.of(1, ...new Uint8Array(31)))] }] };
  t.is(codeOf(t.throws(() => read(small))), 'BAD_KEY');
});

function expectationText(uploaders: { publicKey: Uint8Array }[], name = PRODUCT.name): string {
  const { vendorDomain } = PRODUCT;
  return JSON.stringify({ products: [{ vendorDomain, name, uploaders: uploaders.map((key) => hex(key.publicKey)) }] });
}

function expectation(...args: Parameters<typeof expectationText>) {
  const read = readExpectation(verifier, utf8(expectationText(...args)));
  return async () => read;
}

/** Makes the other history longer, by an entry that the first one has not. */
async function addOther(world: World, ledger: EmbeddedLedger, name: string): Promise<void> {
  const object = objectDigest(sha256, 'product', classId(VENDOR, name));
  await act({ ...world, ledger }, world.people.alice!, 'product', object, productArgs({ ...PRODUCT, name }));
}

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-watch-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function bed(t: ExecutionContext, change: WorldOptions = {}) {
  const world = await newWorld(change);
  const told = join(world.dir, 'told');
  const closers: (() => Promise<unknown>)[] = [() => world.end()];
  t.teardown(async () => {
    for (const close of closers.reverse()) await close();
  });
  const url = await serve(world.ledger);
  return { world, url, serve, fork, watch, alarms };

  async function serve(ledger: EmbeddedLedger, forAuditors = ledger): Promise<string> {
    const gate = { accepts: (header: string | undefined) => header === `Bearer ${TOKEN}` };
    const app = createApi({ server: 'ledger', gate, log: SILENT as never });
    await app.register(ledgerRoutes(ledger));
    await app.register(auditorRoutes(forAuditors));
    closers.push(() => app.close());
    return app.listen({ host: '127.0.0.1', port: 0 });
  }

  /** A second history with the same keys, which begins as this one does. */
  async function fork(): Promise<EmbeddedLedger> {
    const dir = await folder(t);
    await world.ledger.checkpoint();
    await cp(join(world.dir, 'ledger'), join(dir, 'ledger'), {
      recursive: true,
      filter: (path) => !/\/(lock|index)(\/|$)/.test(path),
    });
    const { orderer: ordererSigner, log: logSigner } = world.keys;
    const ledger = await openLedger(dir, { ordererSigner, logSigner, verifier, now: () => world.clock.now });
    closers.push(() => ledger.close());
    return ledger;
  }

  async function watch(options: Partial<WatchOptions> & { clients?: LogClient[] } = {}): Promise<Watch> {
    const opened = await Watch.open({
      ...{ verifier, clients: [logClient(url, TOKEN)], statePath: join(world.dir, 'watch.json') },
      ...{ command: `cat >> '${told}'`, trust: world.rootBytes, now: () => world.clock.now },
      ...options,
    });
    for (const client of options.clients ?? []) closers.push(() => client.close());
    return opened;
  }

  async function alarms(): Promise<Alarm[]> {
    const lines = existsSync(told) ? (await readFile(told, 'utf8')).trim().split('\n') : [];
    return lines.map((line) => JSON.parse(line));
  }
}
