/** One-time codes: the vectors of their standards. Tokens: what becomes of them over time and mischief. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTokens, TOKENS_MAX } from '@countersign/broker/face/access/tokens';
import { base32, hotp, otpauthUri, stepAt, stepOf } from '@countersign/broker/face/access/totp';
import { codeOf } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';

const SECRET = utf8('12345678901234567890');

test('HOTP: the values of RFC 4226, appendix D', (t) => {
  const expected = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split(' ');
  t.deepEqual(
    expected.map((_, counter) => hotp(SECRET, counter)),
    expected,
  );
});

test('TOTP: the values of RFC 6238, appendix B, for all three hashes', (t) => {
  const rows: [seconds: number, sha1: string, sha256: string, sha512: string][] = [
    [59, '94287082', '46119246', '90693936'],
    [1111111109, '07081804', '68084774', '25091201'],
    [1111111111, '14050471', '67062674', '99943326'],
    [1234567890, '89005924', '91819424', '93441116'],
    [2000000000, '69279037', '90698825', '38618901'],
    [20000000000, '65353130', '77737706', '47863826'],
  ];
  const seed = (bytes: number) => utf8('1234567890'.repeat(7).slice(0, bytes));
  for (const [seconds, ...codes] of rows) {
    const hashes: [string, number][] = [
      ['sha1', 20],
      ['sha256', 32],
      ['sha512', 64],
    ];
    const found = hashes.map(([hash, bytes]) => hotp(seed(bytes), stepAt(seconds), 8, hash));
    t.deepEqual(found, codes, String(seconds));
  }
});

test('base 32: the values of RFC 4648, section 10, without padding', (t) => {
  const rows = { '': '', f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB', foobar: 'MZXW6YTBOI' };
  for (const [text, expected] of Object.entries(rows)) t.is(base32(utf8(text)), expected);
  const uri = new URL(otpauthUri(SECRET, 'alice', 'ledger.test/one'));
  t.is(uri.searchParams.get('secret'), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  t.is(decodeURIComponent(uri.pathname), '/ledger.test/one:alice');
});

test('a code counts one step before and after its own, and no further', (t) => {
  const at = 1_111_111_111;
  const code = hotp(SECRET, stepAt(at));
  for (const [shift, counts] of [
    [-60, false],
    [-30, true],
    [0, true],
    [30, true],
    [60, false],
  ] as const)
    t.is(stepOf(SECRET, code, at + shift), counts ? stepAt(at) : undefined, String(shift));
  t.is(stepOf(SECRET, hotp(SECRET, 0), 0), 0);
});

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-access-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function refused(t: ExecutionContext, code: string, work: Promise<unknown>, why?: string): Promise<void> {
  t.is(codeOf(await t.throwsAsync(work)) as string, code, why);
}

test('a token is kept as a salted hash, lasts as long as it was made for, and ends when it is revoked', async (t) => {
  const dir = await folder(t);
  const clock = { now: 1_800_000_000 };
  const open = () => openTokens(dir, () => clock.now);
  const tokens = await open();
  const { token, view } = await tokens.issue({ kind: 'person', name: 'alice', scopes: ['read'] }, 1);
  const [file] = await readdir(dir);
  const text = await readFile(join(dir, file!), 'utf8');
  t.false(text.includes(token));
  t.like(JSON.parse(text), { kdf: { name: 'scrypt', N: 16384, r: 8, p: 1 }, usedAt: null });
  t.is((await stat(join(dir, file!))).mode & 0o777, 0o600);

  t.is(await tokens.find('x'.repeat(43)), undefined);
  t.is(await tokens.find(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`), undefined);
  t.like(await tokens.find(token), { id: view.id, name: 'alice' });
  await tokens.close();
  const again = await open();
  t.is(again.list()[0]!.usedAt, clock.now, 'the last use is on the disk');
  t.like(await again.find(token), { id: view.id });

  clock.now += 86_400;
  await refused(t, 'EXPIRED', again.find(token));
  clock.now -= 1;
  await again.revoke(view.id);
  t.is(await again.find(token), undefined);
  await again.close();
  t.is(await (await open()).find(token), undefined);
  t.is((await open()).list()[0]!.revokedAt, clock.now);
  await refused(t, 'NOT_FOUND', again.revoke('0123456789abcdef'));
  await refused(t, 'BAD_REQUEST', again.issue({ kind: 'machine', name: 'ci', scopes: ['publish'] }, 367));
});

test('tokens that are over keep nobody out: the limit counts those in use, and the folder stays as small', async (t) => {
  const dir = await folder(t);
  const clock = { now: 1_800_000_000 };
  const open = () => openTokens(dir, () => clock.now);
  const first = await open();
  const grant = { kind: 'machine', name: 'ci', scopes: ['read'] } as const;
  const { token, view } = await first.issue(grant, 2);
  await first.close();
  const file = JSON.parse(await readFile(join(dir, `${view.id}.json`), 'utf8')) as object;
  const day = 86_400;
  for (let i = 1; i < TOKENS_MAX; i++) {
    const id = i.toString(16).padStart(16, '0');
    // The longer they are over, the higher their number.
    const text = JSON.stringify({ ...file, id, expiresAt: clock.now + 10 * day - i });
    await writeFile(join(dir, `${id}.json`), text, { mode: 0o600 });
  }
  const tokens = await open();
  await refused(t, 'TOO_LARGE', tokens.issue(grant, 1), 'all are in use');
  await tokens.revoke('0000000000000001');
  const second = await tokens.issue(grant, 1);
  t.false(
    tokens.list().some(({ id }) => id === '0000000000000001'),
    'the revoked one made room',
  );
  await refused(t, 'TOO_LARGE', tokens.issue(grant, 1));

  clock.now += 1.5 * day;
  await refused(t, 'EXPIRED', tokens.find(second.token), 'over, and still known');
  clock.now += 9 * day;
  const third = await tokens.issue(grant, 1);
  t.is(tokens.list().length, TOKENS_MAX);
  t.is((await readdir(dir)).length, TOKENS_MAX);
  t.is(await tokens.find(second.token), undefined, 'the one that was over for longest made room');
  await refused(t, 'EXPIRED', tokens.find(token));
  t.like(await tokens.find(third.token), { id: third.view.id });
  await tokens.close();
  t.like(await (await open()).find(third.token), { id: third.view.id }, 'and after a restart');
});

test('a token file that was exchanged opens nothing', async (t) => {
  const dir = await folder(t);
  const tokens = await openTokens(dir);
  const { token, view } = await tokens.issue({ kind: 'machine', name: 'ci', scopes: ['publish'] }, 1);
  await tokens.close();
  const path = join(dir, `${view.id}.json`);
  const text = await readFile(path, 'utf8');
  const file = JSON.parse(text) as { hash: string; kdf: { N: number } };
  await writeFile(path, JSON.stringify({ ...file, hash: '00'.repeat(32) }));
  t.is(await (await openTokens(dir)).find(token), undefined, 'the id is right and the hash is not');
  for (const change of [
    { kdf: { ...file.kdf, N: 2 ** 20 } },
    { hash: '00' },
    { id: '0'.repeat(16) },
    { format: 'x' },
  ]) {
    await writeFile(path, JSON.stringify({ ...file, ...change }));
    await refused(t, 'BAD_STORE', openTokens(dir), JSON.stringify(change));
  }
});
