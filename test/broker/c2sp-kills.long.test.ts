/** Witness and watch as processes that die: what they promised is on the disk, and what they owe is done again. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApi } from '@countersign/broker/face/api/app';
import { auditorRoutes } from '@countersign/broker/face/api/auditor-routes';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { readCheckpoint } from '@countersign/broker/ledger/c2sp/checkpoint';
import { encodeVkey, noteKey } from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest } from '@countersign/broker/ledger/c2sp/witness';
import { hex, publicKeyOf } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { run, start } from '../support/command.ts';
import { SILENT } from '../support/silent-log.ts';
import { addProduct, newSigner, newWorld, ORIGIN, PRODUCT, publish, sha256, type World } from './ledger-world.ts';

const TOKEN = 'a-token-for-this-test';

test('killed before it stored, a witness has the old checkpoint; after it, the new one; never two', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-witness-'));
  const world = await newWorld();
  t.teardown(async () => {
    await world.end();
    await rm(dir, { recursive: true, force: true });
  });
  const first = await world.ledger.checkpoint();
  const { size } = readCheckpoint(first);
  await addProduct(world);
  const path = await world.ledger.consistency(size, size + 1);
  const next = encodeRequest(size, path, await world.ledger.checkpoint());
  const run = (moment: string, body: Uint8Array) => child(dir, moment, vkeyOf(world), body);
  t.is((await run('never', encodeRequest(0, [], first))).status, 200);
  t.is((await run('before', next)).signal, 'SIGKILL');
  t.is(await cosignedSize(dir), size, 'nothing was stored, nothing answered');
  t.is((await run('after', next)).signal, 'SIGKILL');
  t.is(await cosignedSize(dir), size + 1, 'stored, though nobody was answered');
  const again = await run('never', next);
  t.deepEqual([again.status, again.body], [409, `${size + 1}\n`], 'whoever asks again is told where it stands');
});

test('a watch killed in the middle of an alarm raises it again', async (t) => {
  const { world, url } = await served(t);
  await addProduct(world);
  await publish(world, 1);
  const [expect, state, told] = ['expect.json', 'state.json', 'told'].map((name) => join(world.dir, name));
  await writeFile(expect!, expectation(newSigner().publicKey));
  const args = ['audit', '--watch', url, '--once', '--json', '--expect', expect!, '--state', state!, '--token', TOKEN];
  const killed = await run(...args, '--alarm', 'kill -9 $PPID');
  t.is(killed.code, null);
  const again = await run(...args, '--alarm', `cat >> '${told}'`);
  t.is(again.code, 1, 'an alarm was raised');
  const report = JSON.parse(again.stdout);
  t.is(report.raised.length, 2);
  t.is((await readFile(told!, 'utf8')).trim().split('\n').length, 2);
  const quiet = await run(...args, '--alarm', `cat >> '${told}'`);
  t.is(quiet.code, 0, quiet.stderr);
});

test('a watch goes on until it is told to end, and says so', async (t) => {
  const { world, url } = await served(t);
  const state = join(world.dir, 'state.json');
  const { child, ended } = start([
    'audit',
    '--watch',
    url,
    '--alarm',
    'true',
    '--json',
    '--interval',
    '1',
    '--state',
    state,
  ]);
  const seen = new Promise<void>((resolve) => {
    let lines = 0;
    child.stdout!.on('data', (text: string) => {
      lines += text.split('\n').length - 1;
      if (lines >= 2) resolve();
    });
  });
  await seen;
  child.kill('SIGTERM');
  const { code, stdout } = await ended;
  t.is(code, 0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.like(lines[0], { entries: 3, anchored: false, standing: [] });
  t.deepEqual(lines.at(-1), { rounds: lines.length - 1, alarms: 0 });
});

test('alarms that no command takes are kept up to a limit, and are tried a few at a time', async (t) => {
  const { world, url } = await served(t);
  const state = join(world.dir, 'state.json');
  const args = ['audit', '--watch', url, '--once', '--json', '--state', state, '--max-age', '0'];
  // The ledger's clock is ahead, so the head is stale only by a state that says so.
  t.is((await run(...args, '--alarm', 'true')).code, 0);
  const kept = JSON.parse(await readFile(state, 'utf8'));
  const alarm = { kind: 'stale-head', code: 'FREEZE', text: 'x', url, evidence: {}, id: 'x' };
  await writeFile(state, JSON.stringify({ ...kept, pending: Array.from({ length: 1_002 }, () => alarm) }));
  const { code, stdout } = await run(...args, '--alarm', 'exit 1');
  t.is(code, 1);
  t.is(JSON.parse(stdout).failed.length, 100);
  const { pending } = JSON.parse(await readFile(state, 'utf8'));
  t.is(pending.length, 1_000);
  t.regex(pending.map(({ text }: { text: string }) => text).join(), /2 alarms and more could not be raised/);
});

/** Its clock is a minute ahead of this machine's: no head is stale, and none is of a future that nobody believes. */
async function served(t: ExecutionContext): Promise<{ world: World; url: string }> {
  const world = await newWorld({ begins: Math.floor(Date.now() / 1000) + 60 });
  const gate = { accepts: (header: string | undefined) => header === `Bearer ${TOKEN}` };
  const app = createApi({ server: 'ledger', gate, log: SILENT as never });
  await app.register(ledgerRoutes(world.ledger));
  await app.register(auditorRoutes(world.ledger));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await app.close();
    await world.end();
  });
  return { world, url };
}

function expectation(uploader: Uint8Array): string {
  const { vendorDomain, name } = PRODUCT;
  return JSON.stringify({ products: [{ vendorDomain, name, uploaders: [hex(uploader)] }] });
}

function vkeyOf(world: World): string {
  return encodeVkey(noteKey(sha256, ORIGIN, 1, publicKeyOf(world.keys.log)));
}

async function cosignedSize(dir: string): Promise<number> {
  return readCheckpoint(new Uint8Array(await readFile(join(dir, 'cosigned')))).size;
}

function child(dir: string, moment: string, vkey: string, body: Uint8Array) {
  const script = fileURLToPath(new URL('../support/witness-child.js', import.meta.url));
  return new Promise<{ status?: number; body?: string; signal?: string | null }>((resolve) => {
    const running = execFile(process.execPath, [script, dir, moment, vkey], (error, stdout) =>
      resolve(error ? { signal: error.signal as string } : JSON.parse(stdout)),
    );
    running.stdin!.end(Buffer.from(body));
  });
}
