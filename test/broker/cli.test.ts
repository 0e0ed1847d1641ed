/** Exit codes and output of the command: 0 done, 1 refused or failed, 2 wrong use; one JSON value on stdout. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readStatement, readTransaction } from '@countersign/device-sdk/format';
import test from 'ava';
import { run, runJson, temporary } from '../support/command.ts';

const WRONG_USE: [name: string, ...args: string[]][] = [
  ['no verb'],
  ['an unknown verb', 'publsih'],
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
  ['a role that there is not', 'up', '--people', 'bob=boss'],
  ['a memory class that there is not', 'publish', 'x', '--product', 'p', '--version', '1', '--memory-class', 'XXL'],
];

for (const [name, ...args] of WRONG_USE) {
  test(`wrong use: ${name} ends with 2`, async (t) => {
    const { code, stdout, stderr } = await run(...args);
    t.is(code, 2, stderr);
    t.is(stdout, '');
    t.true(stderr.length > 0, 'it says what was wrong');
  });
}

const FAILURES: [name: string, code: string, ...args: string[]][] = [
  ['a server that is not there', 'UNREACHABLE', 'releases', '--server', 'http://127.0.0.1:9'],
  ['a folder on which nothing runs', 'NOT_FOUND', 'releases', '--data', '/nonexistent'],
  ['a file that is not there', 'NOT_FOUND', 'inspect', '/nonexistent'],
  ['a folder without a ledger', 'NOT_FOUND', 'audit', '/nonexistent'],
];

for (const [name, code, ...args] of FAILURES) {
  test(`failure: ${name} ends with 1 and ${code}, with --json as one object`, async (t) => {
    const ended = await runJson(...args);
    t.is(ended.code, 1);
    t.deepEqual(Object.keys(ended.json), ['error']);
    t.is(ended.json.error.code, code);
    t.regex(ended.stderr, new RegExp(`^${code}: `));
  });
}

test('wrong use with --json is one object too', async (t) => {
  const { code, json } = await runJson('releases');
  t.is(code, 2);
  t.is(json.error.code, 'BAD_REQUEST');
});

test('help and version are done, not failed', async (t) => {
  for (const args of [['--help'], ['--version'], ['rollout', '--help'], ['publish', '--help']]) {
    const { code, stdout } = await run(...args);
    t.is(code, 0, args.join(' '));
    t.true(stdout.length > 0);
  }
});

test('a key is made once, for its owner alone, and signs his enrolment', async (t) => {
  const data = await temporary(t);
  const made = await runJson('keys', 'new', 'alice', '--data', data);
  t.is(made.code, 0, made.stderr);
  t.regex(made.json.publicKey, /^[0-9a-f]{64}$/);
  t.is((await stat(made.json.file)).mode & 0o777, 0o600);
  t.is((await runJson('keys', 'new', 'alice', '--data', data)).json.error.code, 'EXISTS');
  t.is((await runJson('keys', 'new', '../bob', '--data', data)).json.error.code, 'BAD_REQUEST');
  const { json } = await runJson('keys', 'list', '--data', data);
  t.is(json[0].publicKey, made.json.publicKey);
  const out = join(data, 'alice.enrolment');
  const signed = await run(
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
  const first = await runJson('keys', 'server', 'collection', '--data', data);
  const again = await runJson('keys', 'server', 'collection', '--data', data);
  t.deepEqual(
    first.json.keys.map(({ role }: { role: string }) => role),
    ['collection', 'service'],
  );
  t.deepEqual(again.json, first.json);
});

test('inspect shows what is no envelope as refused', async (t) => {
  const file = join(await temporary(t), 'noise');
  await writeFile(file, 'not an envelope');
  const { code, json } = await runJson('inspect', file);
  t.is(code, 1);
  t.is(json.error.code, 'MALFORMED');
});
