/** Second factors on the disk: each step once, wrong codes counted, secrets sealed. Sealing costs a third of a second. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFactors, WAIT_SECONDS, WAIT_SECONDS_MAX, WRONG_MAX } from '@countersign/broker/face/access/factors';
import { base32, hotp, stepAt } from '@countersign/broker/face/access/totp';
import { codeOf } from '@countersign/device-sdk';
import test, { type ExecutionContext } from 'ava';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-access-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function refused(t: ExecutionContext, code: string, work: Promise<unknown>, why?: string): Promise<void> {
  t.is(codeOf(await t.throwsAsync(work)) as string, code, why);
}

test('a step is used once: again, from another process, and with the clock turned back', async (t) => {
  const dir = await folder(t);
  const clock = { now: 1_800_000_000 };
  const open = () => openFactors(dir, { now: () => clock.now });
  const factors = open();
  t.false(factors.has('alice'));
  const secret = await factors.enrol('alice', false);
  const code = () => hotp(secret, stepAt(clock.now));
  const used = code();
  // Two requests at the same moment with one code: one of them passes.
  const both = await Promise.allSettled([factors.check('alice', used), factors.check('alice', used)]);
  t.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  await refused(t, 'FACTOR_USED', factors.check('alice', used));
  await refused(t, 'FACTOR_USED', open().check('alice', used), 'after a restart');
  clock.now += 30;
  const second = code();
  await factors.check('alice', second);
  clock.now -= 3600;
  await refused(t, 'FACTOR_USED', factors.check('alice', code()), 'a step of an hour ago, never used');
  clock.now += 3600;
  await refused(t, 'FACTOR_USED', factors.check('alice', used), 'the step before the last one');
  clock.now += 30;
  await open().check('alice', code());
});

test('wrong codes lock one person out, for a time, and nobody else', async (t) => {
  const dir = await folder(t);
  const clock = { now: 1_800_000_000 };
  const open = () => openFactors(dir, { now: () => clock.now });
  const factors = open();
  const secrets = { alice: await factors.enrol('alice', false), bob: await factors.enrol('bob', false) };
  const right = (who: 'alice' | 'bob') => hotp(secrets[who], stepAt(clock.now));
  const wrong = () => {
    const near = [-1, 0, 1].map((step) => hotp(secrets.alice, stepAt(clock.now) + step));
    return ['000000', '000001', '000002', '000003'].find((code) => !near.includes(code))!;
  };
  await refused(t, 'BAD_FACTOR', factors.check('alice', undefined), 'asked without a code, nothing is counted');
  for (let i = 0; i < WRONG_MAX; i++) await refused(t, 'BAD_FACTOR', factors.check('alice', wrong()));
  await refused(t, 'LOCKED_OUT', factors.check('alice', right('alice')));
  await refused(t, 'LOCKED_OUT', open().check('alice', right('alice')), 'after a restart');
  await factors.check('bob', right('bob'));
  clock.now += WAIT_SECONDS + 1;
  await refused(t, 'BAD_FACTOR', factors.check('alice', wrong()));
  clock.now += WAIT_SECONDS + 1;
  await refused(t, 'LOCKED_OUT', factors.check('alice', right('alice')), 'the second wait is longer');
  clock.now += WAIT_SECONDS_MAX;
  await factors.check('alice', right('alice'));
  clock.now += 30;
  await refused(t, 'BAD_FACTOR', factors.check('alice', wrong()), 'and the count begins anew');
  await factors.check('alice', right('alice'));
});

test('secrets of second factors are sealed, replaced only on purpose, and bound to their person', async (t) => {
  const dir = await folder(t);
  const options = { passphrase: 'correct horse', now: () => 1_800_000_000 };
  const factors = openFactors(dir, options);
  const secret = await factors.enrol('alice', false);
  const path = join(dir, 'alice.json');
  const text = await readFile(path, 'utf8');
  t.false(text.includes(Buffer.from(secret).toString('hex')) || text.includes(base32(secret)));
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await readdir(dir), ['alice.json'], 'with a passphrase no key lies beside it');
  await refused(t, 'EXISTS', factors.enrol('alice', false));
  const code = hotp(secret, stepAt(1_800_000_000));
  await refused(t, 'BAD_STORE', openFactors(dir, { ...options, passphrase: 'wrong' }).check('alice', code));
  await writeFile(join(dir, 'bob.json'), text.replace('"person":"alice"', '"person":"bob"'), { mode: 0o600 });
  await refused(t, 'BAD_STORE', openFactors(dir, options).check('bob', code), "alice's factor under bob's name");
  await refused(t, 'BAD_REQUEST', factors.enrol('../alice', false));
  const renewed = await factors.enrol('alice', true);
  t.notDeepEqual(renewed, secret);
  await refused(t, 'BAD_FACTOR', openFactors(dir, options).check('alice', code));
});
