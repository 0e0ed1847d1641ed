/** Exit codes and output of the command: 0 done, 1 refused or failed, 2 wrong use; one JSON value on stdout. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventText, saidOnce } from '@countersign/broker/face/cli/device-text';
import { createProgram } from '@countersign/broker/face/cli/program';
import type { ApiClient } from '@countersign/broker/face/client/api-client';
import { fetchFiles } from '@countersign/broker/face/client/audit';
import type { KeyRow } from '@countersign/broker/face/client/key-row';
import { Refusal } from '@countersign/device-sdk';
import { type Inspection, readStatement, readTransaction } from '@countersign/device-sdk/format';
import { type FolderOptions, openFolder } from '@countersign/device-sdk/host/folder';
import { VERBS } from '@countersign/simulator/verbs';
import test from 'ava';
import { type Answer, run, temporary } from '../support/command.ts';
import { runHere, runHereJson as runJson } from '../support/command-here.ts';
import { makeWorld } from '../support/world.ts';

const WRONG_USE: [name: string, ...args: string[]][] = [
  ['no verb'],
  ['an unknown verb', 'publsih'],
  ['the help of an unknown verb', 'publsih', '--help'],
  ['an unknown option', 'releases', '--loud'],
  ['a missing argument', 'approve'],
  ['a missing option', 'publish', 'image.bin', '--product', 'x'],
  ['an option without its value', 'releases', '--server'],
  ['nobody addressed', 'releases'],
  ['an address that is none', 'releases', '--server', 'ftp://x'],
  ['a port that is none', 'up', '--port', '70000'],
  ['a wave that is none', 'rollout', 'open', 'aaaaaaaa', '--wave', 'some'],
  ['a wave of nobody', 'rollout', 'open', 'aaaaaaaa', '--wave', '0%'],
  ['a time that is none', 'rollout', 'open', 'aaaaaaaa', '--from', 'soon'],
  ['a device id that is none', 'devices', 'revoke', 'xyz', '--reason', 'x'],
  ['a label that is none', 'devices', 'enrol', '--product', 'p', '--label', 'hw'],
  ['both policies at once', 'publish', 'x', '--product', 'p', '--version', '1', '--mandatory', '--optional'],
  ['half of TLS', 'up', '--tls-cert', 'x.pem'],
  ['a server that there is not', 'up', '--only', 'kitchen'],
  ['a second factor where no ledger is', 'up', '--only', 'collection', '--require-totp'],
  ['a role that there is not', 'up', '--people', 'bob=boss'],
  ['a demo with too few devices', 'demo', '--devices', '3'],
  ['power cuts that are no rate', 'demo', '--power-cut', 'often'],
  ['a fleet of no release', 'simulate', '--product', 'sensor-node'],
  ['revisions without shares', 'simulate', '--product', 'p', '--from', '1', '--revisions', 'A'],
  ['chaos beside a running server', 'simulate', '--product', 'p', '--from', '1', '--chaos'],
  ['an attack that there is not', 'attack', '--id', '99'],
  ['a component id that is none', 'publish', 'x', '--product', 'p', '--version', '1', '--component-slot', '2=4096'],
  ['a memory class that there is not', 'publish', 'x', '--product', 'p', '--version', '1', '--memory-class', 'XXL'],
];

const PUBLISH = ['publish', fileURLToPath(import.meta.url), '--product', 'p', '--data', '/nonexistent'];
WRONG_USE.push(
  ['a new product that lacks its vendor, before anybody is asked', ...PUBLISH, '--version', '1', '--new-product'],
  ['a bundle without a place', 'bundle', '--release', 'p@1'],
);

for (const [name, ...args] of WRONG_USE) {
  test(`wrong use: ${name} ends with 2`, async (t) => {
    const { code, stdout, stderr } = await runHere(...args);
    t.is(code, 2, stderr);
    t.is(stdout, '');
    t.true(stderr.length > 0, 'it says what was wrong');
  });
}

test('a process says the same on its streams, and ends with the same codes', async (t) => {
  for (const [code, args] of [
    [0, ['--version']],
    [1, ['audit', '/nonexistent']],
    [2, ['publsih']],
  ] as const) {
    const [ended, here] = [await run(...args), await runHere(...args)];
    t.is(ended.code, code);
    if (code !== 0) t.deepEqual(ended, here);
  }
});

test('a verb is loaded by the words that it answers to, and by no others', async (t) => {
  for (const { names, load } of VERBS) {
    const program = createProgram('0');
    const register = await load();
    register(program);
    t.deepEqual(
      program.commands.map((command) => command.name()),
      [...names],
    );
  }
});

const DOWNLOAD = ['download', 'p@1', '--data', '/nonexistent'];
const FAILURES: [name: string, code: string, ...args: string[]][] = [
  ['a server that is not there', 'UNREACHABLE', 'releases', '--server', 'http://127.0.0.1:9'],
  ['a folder on which nothing runs', 'NOT_FOUND', 'releases', '--data', '/nonexistent'],
  ['a file that is not there', 'NOT_FOUND', 'inspect', '/nonexistent'],
  ['a folder without a ledger', 'NOT_FOUND', 'audit', '/nonexistent'],
  ['a folder below a file', 'BAD_REQUEST', 'keys', 'new', 'x', '--data', '/dev/null/x'],
  ['a folder where none can be made', 'BAD_REQUEST', 'keys', 'new', 'x', '--data', '/proc/nope'],
  ['an output without a folder, before anybody is asked', 'BAD_REQUEST', ...DOWNLOAD, '--out', '/nonexistent/image'],
  ['a version label that is too long, before anybody is asked', 'BAD_REQUEST', ...PUBLISH, '--version', 'x'.repeat(33)],
];

for (const [name, code, ...args] of FAILURES) {
  test(`failure: ${name} ends with 1 and ${code}, with --json as one object`, async (t) => {
    const ended = await runJson(...args);
    t.is(ended.code, 1);
    t.deepEqual(Object.keys(ended.json), ['error']);
    t.is(ended.json.error?.code, code);
    t.regex(ended.stderr, new RegExp(`^${code}: `));
  });
}

test('files are not written where no folder can be made, and nothing waits for it for ever', async (t) => {
  const data = await temporary(t);
  t.is((await runJson('keys', 'new', 'bob', '--data', data)).code, 0);
  const role = ['--role', 'collection', '--name', 'c1', '--epoch', '1'];
  for (const args of [
    ['keys', 'enrolment', 'bob', '--role', 'auditor', '--origin', 'o', '--data', data, '-o', '/proc/nope/bob'],
    ['keys', 'allow', ...role, '--data', join(data, 'kgc'), '-o', '/proc/nope/deep/token'],
  ]) {
    const { code, json } = await runJson(...args);
    t.deepEqual([code, json.error?.code], [1, 'BAD_REQUEST'], args[1]);
  }
  const api = { get: async () => ({ head: '00', files: [] }) } as unknown as ApiClient;
  await t.throwsAsync(
    fetchFiles(api, '/proc/nope/ledger', () => undefined),
    { code: 'ENOENT' },
  );
  t.throws(() => openFolder('/proc/nope/device', { slotBytes: 4096 } as FolderOptions), { code: 'ENOENT' });
});

test('wrong use with --json is one object too', async (t) => {
  const { code, json } = await runJson('releases');
  t.is(code, 2);
  t.is(json.error?.code, 'BAD_REQUEST');
});

test('help and version are done, not failed', async (t) => {
  for (const args of [['--help'], ['--version'], ['rollout', '--help'], ['publish', '--help']]) {
    const { code, stdout } = await runHere(...args);
    t.is(code, 0, args.join(' '));
    t.true(stdout.length > 0);
  }
});

test('a key is made once, for its owner alone, and signs his enrolment', async (t) => {
  const data = await temporary(t);
  const made = await runJson<{ publicKey: string; file: string }>('keys', 'new', 'alice', '--data', data);
  t.is(made.code, 0, made.stderr);
  t.regex(made.json.publicKey, /^[0-9a-f]{64}$/);
  t.is((await stat(made.json.file)).mode & 0o777, 0o600);
  t.is((await runJson('keys', 'new', 'alice', '--data', data)).json.error?.code, 'EXISTS');
  t.is((await runJson('keys', 'new', '../bob', '--data', data)).json.error?.code, 'BAD_REQUEST');
  const { json } = await runJson<KeyRow[]>('keys', 'list', '--data', data);
  t.is(json[0]!.publicKey, made.json.publicKey);
  const out = join(data, 'alice.enrolment');
  const signed = await runHere(
    'keys',
    'enrolment',
    'alice',
    '--role',
    'approver',
    '--origin',
    'o',
    '-o',
    out,
    '--data',
    data,
  );
  t.is(signed.code, 0, signed.stderr);
  const { action, channel } = readTransaction(readStatement(new Uint8Array(await readFile(out)), 'tx').payload);
  t.deepEqual([action, channel], ['enrol', 'o']);
});

test('the keys of a server are made once and shown as often as asked', async (t) => {
  const data = await temporary(t);
  const first = await runJson<{ keys: { role: string }[] }>('keys', 'server', 'collection', '--data', data);
  const again = await runJson('keys', 'server', 'collection', '--data', data);
  t.deepEqual(
    first.json.keys.map(({ role }) => role),
    ['collection', 'service'],
  );
  t.deepEqual(again.json, first.json);
  const { json } = await runJson('keys', 'server', 'root', '--data', data);
  t.like(json, { server: 'root', keys: { length: 1, 0: { role: 'root' } } });
  t.deepEqual(await readdir(join(data, 'root/keys')), ['root.key'], "where a root signer's `keys root sign` finds it");
});

test('inspect shows what is no envelope as refused', async (t) => {
  const file = join(await temporary(t), 'noise');
  await writeFile(file, 'not an envelope');
  const { code, json } = await runJson('inspect', file);
  t.is(code, 1);
  t.is(json.error?.code, 'MALFORMED');
});

test('inspect --json has the documented fields', async (t) => {
  const world = await makeWorld();
  const file = join(await temporary(t), 'envelope.hex');
  await writeFile(file, Buffer.from(world.envelope).toString('hex'));
  const { code, json, stderr } = await runJson<Inspection>('inspect', file);
  t.is(code, 0, stderr);
  t.like(json, { digestOk: true, sequence: 7, refusal: null });
  t.true(Array.isArray(json.components) && Array.isArray(json.commands.install));
  t.deepEqual(Object.keys(json.commands.install[0]).slice(0, 3), ['label', 'name', 'args']);
  t.deepEqual(
    json.signatures.map(({ alg, role, valid }) => [alg, role, valid]),
    [
      [-19, 'collection', null],
      [-19, 'distribution', null],
    ],
  );
  t.regex(json.signatures[0]!.kid!, /^[0-9a-f]{16}$/);
});

test('delta make, apply and info: the image comes back, and the JSON has the documented fields', async (t) => {
  const folder = await temporary(t);
  const [delta, image] = [join(folder, 'delta'), join(folder, 'image')];
  const from = sampleImage('valve-controller-2.0.0.bin');
  const to = sampleImage('valve-controller-2.0.1.bin');
  const asked = [from, to, '-o', delta, '--class', 'S'];
  const made = await runJson<Answer & { workspaceBytes: number }>('delta', 'make', ...asked);
  t.is(made.code, 0, made.stderr);
  const wanted = ['oldBytes', 'newBytes', 'deltaBytes', 'class', 'predictor', 'coder', 'workspaceBytes', 'seconds'];
  for (const field of wanted) t.true(field in made.json, field);
  t.is(made.json.deltaBytes, (await stat(delta)).size);
  t.true(made.json.workspaceBytes <= 4096);
  const applied = await runJson('delta', 'apply', from, delta, '-o', image);
  t.is(applied.code, 0, applied.stderr);
  t.deepEqual(Object.keys(applied.json).sort(), ['kind', 'newBytes', 'seconds', 'sha256', 'workspaceBytes']);
  t.deepEqual(await readFile(image), await readFile(to));
  const info = await runJson('delta', 'info', delta);
  t.like(info.json, { kind: 'delta', class: 'S', newBytes: made.json.newBytes });
  const wrong = await runJson('delta', 'apply', to, delta, '-o', join(folder, 'wrong'));
  t.deepEqual([wrong.code, wrong.json.error?.code], [1, 'WRONG_BASE']);
});

test('delta make --in-place writes for one slot, and delta apply takes it', async (t) => {
  const folder = await temporary(t);
  const [delta, image] = [join(folder, 'delta'), join(folder, 'image')];
  const [from, to] = [sampleImage('pump-monitor-3.0.1.bin'), sampleImage('pump-monitor-3.1.0.bin')];
  const place = ['--in-place', '--slot', '65536', '--page', '8192'];
  const made = await runJson('delta', 'make', from, to, '-o', delta, ...place);
  t.is(made.code, 0, made.stderr);
  t.like(made.json, { kind: 'delta', inPlace: 'backward', checkpointBytes: 8192 });
  const applied = await runJson('delta', 'apply', from, delta, '-o', image);
  t.is(applied.code, 0, applied.stderr);
  t.deepEqual(await readFile(image), await readFile(to));
  t.is((await runJson('delta', 'info', delta)).json.inPlace, 'backward');
  const small = await runJson('delta', 'make', from, to, '-o', delta, '--in-place', '--slot', '35000');
  t.deepEqual([small.code, small.json.error?.code], [1, 'NO_SPACE']);
});

test('delta make and apply speak BSDIFF40, and the digest that it lacks can be named', async (t) => {
  const folder = await temporary(t);
  const [patch, image] = [join(folder, 'patch'), join(folder, 'image')];
  const from = sampleImage('valve-controller-2.0.0.bin');
  const to = sampleImage('valve-controller-2.0.1.bin');
  const made = await runJson('delta', 'make', from, to, '-o', patch, '--format', 'bsdiff40');
  t.is(made.code, 0, made.stderr);
  t.like(made.json, { kind: 'bsdiff40', class: null, coder: 'bzip2', deltaBytes: (await stat(patch)).size });
  const applied = await runJson('delta', 'apply', from, patch, '-o', image);
  t.is(applied.json.kind, 'bsdiff40');
  t.deepEqual(await readFile(image), await readFile(to));
  const wrong = await runJson('delta', 'apply', from, patch, '-o', image, '--sha256', '0'.repeat(64));
  t.deepEqual([wrong.code, wrong.json.error?.code], [1, 'RESULT_MISMATCH']);
});

test('delta bench prints one JSON object on stdout, and wrong use is told from failure', async (t) => {
  const { code, json, stderr } = await runJson<{ rows: { bytes: number }[] }>(
    'delta',
    'bench',
    '--pair',
    'pump-monitor-3.0.1-3.1.0',
    '--class',
    'S',
    '--ours-only',
  );
  t.is(code, 0, stderr);
  t.true(json.rows.length === 2 && json.rows.every(({ bytes }) => bytes > 0));
  t.deepEqual(Object.keys(json), ['commit', 'machine', 'node', 'rows', 'summary']);
  const none = await runHere('delta', 'bench', '--pair', 'no such pair');
  t.is(none.code, 2);
  t.regex(none.stderr, /^ {2}sensor-node\S*/m, 'a line for each pair that there is');
  for (const line of none.stderr.split('\n')) t.true(line.length <= 80, line);
  t.is((await runJson('delta', 'bench', '--bytes', 'many')).code, 2);
  t.is((await runJson('delta', 'bench', '--class', 'XXL')).json.error?.code, 'UNSUPPORTED');
  t.is((await runJson('delta', 'bench', folderWithout())).json.error?.code, 'NOT_FOUND');
});

function folderWithout(): string {
  return fileURLToPath(new URL('.', import.meta.url));
}

function sampleImage(file: string): string {
  return fileURLToPath(new URL(`../../../firmware-samples/images/${file}`, import.meta.url));
}

test('a device that cannot connect says so once, and a bundle that answers is no connection', (t) => {
  const lines: string[] = [];
  const say = saidOnce((event) => lines.push(eventText(event)));
  const trouble = { kind: 'trouble', way: 'mqtts://a', error: new Refusal('LINK_LOST', 'no answer') } as const;
  say({ kind: 'link', up: true, by: 'bundle' });
  for (let i = 0; i < 3; i++) say(trouble);
  say({ kind: 'link', up: false, by: 'network' });
  say({ kind: 'link', up: true, by: 'network' });
  say(trouble);
  const failed = 'no connection by mqtts://a: LINK_LOST no answer; it goes on trying';
  t.deepEqual(lines, ['not connected; the bundle answers', failed, 'not connected', 'connected', failed]);
});

test('delta info says what the images that were given were good for', async (t) => {
  const folder = await temporary(t);
  const at = (name: string) => join(folder, name);
  await writeFile(
    at('old'),
    Uint8Array.from({ length: 900 }, (_, i) => (i * 7) & 0xff),
  );
  await writeFile(
    at('new'),
    Uint8Array.from({ length: 900 }, (_, i) => (i === 5 ? 1 : (i * 7) & 0xff)),
  );
  t.is((await runHere('delta', 'make', at('old'), at('new'), '-o', at('delta'), '--class', 'S')).code, 0);
  const plain = await runHere('delta', 'info', at('delta'));
  const { stdout } = await runHere('delta', 'info', at('delta'), '--old', at('old'), '--new', at('new'));
  t.regex(stdout, /^--old: the image it starts from; no address in its copies was predicted/m);
  t.regex(stdout, /^--new: the image it makes; it has no checkpoints to do without$/m);
  t.notRegex(plain.stdout, /^--/m);
});
