import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import type { LedgerEvent } from '@countersign/broker/ledger/client';
import { httpLedger } from '@countersign/broker/ledger/http-client';
import { type Code, codeOf } from '@countersign/device-sdk';
import { OPEN } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { SILENT } from '../support/silent-log.ts';
import {
  addProduct,
  CLASS,
  command,
  enrolDevices,
  newDevice,
  newWorld,
  nextReport,
  person,
  planOf,
  publish,
  sha256,
  statementOf,
} from './ledger-world.ts';

const TOKEN = 'a token for this test';

test('a ledger over HTTP answers as the ledger itself', async (t) => {
  const { world, url } = await served(t);
  const remote = httpLedger(url, TOKEN);
  const { leaf } = await rolledOut(world);
  const { head } = await world.ledger.head();
  t.deepEqual(await remote.head(), await world.ledger.head());
  t.deepEqual(await remote.receipt(leaf), await world.ledger.receipt(leaf));
  t.deepEqual(await remote.announcementProof(CLASS), await world.ledger.announcementProof(CLASS));
  t.deepEqual(await remote.consistency(2, head.size), await world.ledger.consistency(2, head.size));
  t.deepEqual(await remote.entries(0, 100), await world.ledger.entries(0, 100));
  t.deepEqual(await remote.entry(leaf), await world.ledger.entry(leaf));
  t.deepEqual(await remote.roots(1), [world.rootBytes]);
  t.deepEqual(await remote.evaluate('getPerson', 'alice'), await world.ledger.evaluate('getPerson', 'alice'));
  t.deepEqual(await remote.evaluate('listProducts'), await world.ledger.evaluate('listProducts'));
  await remote.close();
});

test('statements are submitted over HTTP, and refusals keep their codes', async (t) => {
  const { world, url } = await served(t);
  const remote = httpLedger(url, TOKEN);
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  const report = await nextReport(device);
  const committed = await remote.submit(report);
  t.deepEqual((await world.ledger.entries(committed.leafIndex, 1))[0], report);
  const rows: [string, Code, Promise<unknown>][] = [
    ['the same again', 'DUPLICATE', remote.submit(report)],
    ['random bytes', 'MALFORMED', remote.submit(Uint8Array.of(1, 2))],
    ['too many bytes', 'TOO_LARGE', remote.submit(new Uint8Array(70_000))],
    ['nobody', 'NOT_FOUND', remote.evaluate('getPerson', 'nobody')],
    ['no query', 'BAD_REQUEST', remote.evaluate('toString' as never)],
    ['a strange argument', 'BAD_REQUEST', remote.evaluate('getPerson', 'a b')],
    ['no leaf', 'NOT_FOUND', remote.receipt(sha256(report))],
    ['half a leaf', 'BAD_REQUEST', remote.receipt(report.subarray(0, 16))],
    ['no class', 'NOT_FOUND', remote.announcementProof(new Uint8Array(16))],
    ['entries without end', 'BAD_REQUEST', remote.entries(0, 1_000_000)],
    ['a negative place', 'BAD_REQUEST', remote.entries(-1, 1)],
    ['a future size', 'BAD_REQUEST', remote.consistency(1, 1e6)],
    ['no token', 'UNAUTHORIZED', httpLedger(url, 'wrong').entries(0, 1)],
    ['no server', 'UNREACHABLE', httpLedger('http://127.0.0.1:9', TOKEN).head()],
  ];
  for (const [why, code, promise] of rows) t.is(codeOf(await t.throwsAsync(promise, undefined, why)), code, why);
  await remote.close();
});

test('a follower over HTTP hears every leaf once, while they come', async (t) => {
  const { world, url } = await served(t);
  const remote = httpLedger(url, TOKEN);
  const heard: LedgerEvent[] = [];
  let enough = () => {};
  const done = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const follower = remote.follow(0, (event) => {
    heard.push(event);
    if (heard.length === 12) enough();
  });
  await rolledOut(world);
  await addDevices(world, 3);
  await done;
  follower.stop();
  await remote.close();
  t.deepEqual(heard.slice(0, 12), await world.ledger.events(0, 12));
});

async function served(t: ExecutionContext) {
  const world = await newWorld();
  const app = createApi({
    server: 'ledger',
    gate: { accepts: (header) => header === `Bearer ${TOKEN}` },
    log: SILENT as never,
  });
  await app.register(ledgerRoutes(world.ledger));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await world.end();
    await app.close();
  });
  return { world, url };
}

async function rolledOut(world: Awaited<ReturnType<typeof newWorld>>) {
  await addProduct(world);
  const release = await publish(world, 1);
  const plan = planOf(release);
  await person(world, plan, 'open');
  await command(world, statementOf(plan, 1, OPEN));
  return release;
}

async function addDevices(world: Awaited<ReturnType<typeof newWorld>>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await enrolDevices(world, [newDevice()]);
}
