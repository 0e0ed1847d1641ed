import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyRows } from '@countersign/broker/face/client/key-list';
import { recordFindings, rootFindings } from '@countersign/broker/face/client/named-keys';
import { createPerson, listPeopleKeys, loadPerson } from '@countersign/broker/keys/people';
import { openKeyRing } from '@countersign/broker/keys/ring';
import { authorRoot } from '@countersign/broker/keys/root';
import { signTransaction } from '@countersign/broker/keys/tx';
import { classId, uuidText, vendorId } from '@countersign/broker/ledger/contract/uuid';
import { Refusal } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  ALG_ESP256,
  checkStatement,
  hex,
  type ImplicitKey,
  implicitKeysValue,
  implicitThumbprint,
  kidOf,
  type PublicKey,
  publicKeyOf,
  ROLES,
  readSignedRoot,
  readStatement,
  readTransaction,
  type TrustRoot,
  TX_BYTES_MAX,
  thumbprint,
} from '@countersign/device-sdk/format';
import { type CommandKeyFile, commandSigner } from '@countersign/device-sdk/host/command-signer';
import { commandWords, logText } from '@countersign/device-sdk/host/command-words';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createCommandKey, createKey, keyFileInfo, loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import test from 'ava';
import { issueTo, newCentre } from '../support/kgc.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;
const refusal = (code: string) => ({ instanceOf: Refusal, code });

async function folder(t: { teardown(call: () => Promise<void>): void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

const message = Uint8Array.of(1, 2, 3);

test('a key made and loaded again signs alike, for both algorithms', async (t) => {
  const path = await folder(t);
  for (const alg of [ALG_ED25519, ALG_ESP256]) {
    const file = join(path, 'new', `${alg}.key`);
    const made = await createKey(file, 'collection', { alg });
    t.is((await stat(file)).mode & 0o777, 0o600);
    t.is((await stat(join(path, 'new'))).mode & 0o777, 0o700);
    const key = await loadSigner(file);
    t.like(key, { role: 'collection', name: undefined, alg });
    t.deepEqual(key.publicKey, made.publicKey);
    for (const signer of [made, key]) {
      t.true(verifier.verify(alg, key.publicKey, message, await signer.sign(message)));
    }
  }
});

test('a signer shows no secret: neither its fields nor their JSON hold the key of the file', async (t) => {
  const file = join(await folder(t), 'a.key');
  const made = await createKey(file, 'distribution');
  const { secret } = JSON.parse(await readFile(file, 'utf8'));
  t.is(secret.length, 64);
  for (const key of [made, await loadSigner(file)]) {
    t.deepEqual(Object.keys(key).sort(), ['alg', 'epoch', 'name', 'publicKey', 'role', 'sign']);
    t.false(JSON.stringify(key).includes(secret));
  }
});

test('a key file is never replaced', async (t) => {
  const file = join(await folder(t), 'a.key');
  await createKey(file, 'log');
  const before = await readFile(file);
  await t.throwsAsync(createKey(file, 'log'), refusal('EXISTS'));
  t.deepEqual(await readFile(file), before);
});

test('a sealed key needs its passphrase, and its role and public key cannot be exchanged', async (t) => {
  const file = join(await folder(t), 'a.key');
  await createKey(file, 'person', { name: 'alice', passphrase: 'four words or more' });
  const text = await readFile(file, 'utf8');
  t.false(text.includes('"secret"'));
  t.like(await loadSigner(file, 'four words or more'), { role: 'person', name: 'alice' });
  await t.throwsAsync(loadSigner(file), { ...refusal('BAD_STORE'), message: /passphrase is needed/ });
  await t.throwsAsync(loadSigner(file, 'five words'), refusal('BAD_STORE'));
  await writeFile(file, text.replace('"person"', '"root"'), { mode: 0o600 });
  await t.throwsAsync(loadSigner(file, 'four words or more'), refusal('BAD_STORE'));
});

test('a key file that group or others may read is refused', async (t) => {
  if (process.platform === 'win32') {
    t.log('Windows has no mode bits; nothing is checked there');
    return t.pass();
  }
  const file = join(await folder(t), 'a.key');
  await createKey(file, 'log');
  for (const mode of [0o640, 0o604, 0o620, 0o601, 0o666]) {
    await chmod(file, mode);
    await t.throwsAsync(loadSigner(file), { ...refusal('BAD_STORE'), message: /open to others/ }, mode.toString(8));
  }
  await chmod(file, 0o400);
  t.is((await loadSigner(file)).role, 'log');
});

test('every damage of a key file is BAD_STORE, and no message quotes the secret', async (t) => {
  const file = join(await folder(t), 'a.key');
  await createKey(file, 'log');
  const good = JSON.parse(await readFile(file, 'utf8'));
  const other = '11'.repeat(32);
  const bad: Record<string, string> = {
    empty: '',
    'not JSON': `{"secret":"${good.secret}`,
    'not an object': '7',
    null: 'null',
    'another format': JSON.stringify({ ...good, format: 'x' }),
    'no such role': JSON.stringify({ ...good, role: 'admin' }),
    'another secret': JSON.stringify({ ...good, secret: other }),
    'another public key': JSON.stringify({ ...good, publicKey: other }),
    'a short secret': JSON.stringify({ ...good, secret: '00' }),
    'no secret': JSON.stringify({ ...good, secret: undefined }),
    'another algorithm': JSON.stringify({ ...good, alg: -9 }),
    'an unknown algorithm': JSON.stringify({ ...good, alg: 5 }),
    'a cost that eats the memory': JSON.stringify({
      ...good,
      sealed: { kdf: 'scrypt', n: 2 ** 30, r: 8, p: 1, cipher: 'aes-256-gcm' },
    }),
    'a cost of no power of two': JSON.stringify({
      ...good,
      sealed: { kdf: 'scrypt', n: 1000, r: 8, p: 1, cipher: 'aes-256-gcm' },
    }),
    'a sealed nothing': JSON.stringify({ ...good, sealed: null }),
  };
  for (const [name, text] of Object.entries(bad)) {
    await writeFile(file, text, { mode: 0o600 });
    const error = await t.throwsAsync(loadSigner(file, 'words'), refusal('BAD_STORE'), name);
    t.false(`${error?.stack} ${String(error?.cause)}`.includes(good.secret), name);
  }
  await t.throwsAsync(loadSigner(`${file}.none`), refusal('BAD_STORE'));
});

test('a key ring holds its own roles and no other, and notices an exchanged file', async (t) => {
  const path = await folder(t);
  await t.throwsAsync(openKeyRing(path, ['collection']), refusal('BAD_STORE'));
  const ring = await openKeyRing(path, ['collection', 'service'], { create: true });
  const again = await openKeyRing(path, ['collection', 'service']);
  t.deepEqual(again.publicKey('service'), ring.publicKey('service'));
  t.throws(() => ring.signer('distribution'), { instanceOf: RangeError });
  await writeFile(join(path, 'collection.key'), await readFile(join(path, 'service.key')), { mode: 0o600 });
  await t.throwsAsync(openKeyRing(path, ['collection']), { ...refusal('BAD_STORE'), message: /one key, one role/ });
});

test('people have key files by name, and a name never leaves the folder', async (t) => {
  const path = join(await folder(t), 'people');
  t.deepEqual(await listPeopleKeys(path), []);
  const alice = await createPerson(path, 'alice');
  t.deepEqual((await loadPerson(path, 'alice')).publicKey, alice.publicKey);
  t.deepEqual(await listPeopleKeys(path), ['alice']);
  await writeFile(join(path, 'bob.key'), await readFile(join(path, 'alice.key')), { mode: 0o600 });
  await t.throwsAsync(loadPerson(path, 'bob'), refusal('BAD_STORE'));
  for (const name of ['', '../alice', 'a/b', 'Alice', '.hidden', 'x'.repeat(33), 'a\0b']) {
    await t.throwsAsync(createPerson(path, name), refusal('BAD_REQUEST'), name);
  }
});

test('the passphrase comes from a file, a credential or the environment, in this order', async (t) => {
  const path = await folder(t);
  const file = join(path, 'countersign-passphrase');
  await writeFile(file, 'from a file\n', { mode: 0o600 });
  const env = { COUNTERSIGN_PASSPHRASE: 'from the environment' };
  t.is(await findPassphrase({ env: {} }), undefined);
  t.is(await findPassphrase({ env }), 'from the environment');
  t.is(await findPassphrase({ env: { ...env, COUNTERSIGN_PASSPHRASE_FILE: file } }), 'from a file');
  t.is(await findPassphrase({ env: { CREDENTIALS_DIRECTORY: path, COUNTERSIGN_CREDENTIAL: '1' } }), 'from a file');
  t.is(await findPassphrase({ file, env }), 'from a file');
  await chmod(file, 0o644);
  if (process.platform !== 'win32') await t.throwsAsync(findPassphrase({ file, env }), refusal('BAD_STORE'));
});

/** A key that OpenSSL made and keeps, and the program that signs with it: no line of ours has seen the secret. */
async function opensslKey(path: string, alg: number) {
  const [secret, open] = [join(path, `${alg}.pem`), join(path, `${alg}.pub.pem`)];
  const kind = alg === ALG_ED25519 ? ['ed25519'] : ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync('openssl', ['genpkey', '-algorithm', ...kind, '-out', secret], { stdio: 'ignore' });
  execFileSync('openssl', ['pkey', '-in', secret, '-pubout', '-out', open], { stdio: 'ignore' });
  const how =
    alg === ALG_ED25519
      ? `cat > "$0.$$" && openssl pkeyutl -sign -rawin -inkey ${secret} -in "$0.$$"; rm "$0.$$"`
      : `openssl dgst -sha256 -sign ${secret} | openssl base64 -A; echo`;
  return { publicKey: readPublicKeyFile(await readFile(open)), command: await program(path, `sign${alg}`, how) };
}

async function program(path: string, name: string, body: string): Promise<[string]> {
  const file = join(path, name);
  await writeFile(file, `#!/bin/sh\n${body}\n`, { mode: 0o700 });
  return [file];
}

const LONG_SECONDS = 120;

test('a command signs for a role: OpenSSL keeps the key, in both algorithms and both forms of ECDSA', async (t) => {
  const path = await folder(t);
  for (const [role, alg] of [
    ['collection', ALG_ED25519],
    ['service', ALG_ESP256],
  ] as const) {
    const { publicKey, command } = await opensslKey(path, alg);
    const file = join(path, 'keys', `${role}.key`);
    await createCommandKey(file, { role, alg, publicKey: hex(publicKey.bytes), command, seconds: LONG_SECONDS });
    t.like(await keyFileInfo(file), { role, alg, kept: 'command', publicKey: publicKey.bytes });
  }
  const ring = await openKeyRing(join(path, 'keys'), ['collection', 'service']);
  for (const role of ['collection', 'service'] as const) {
    const signer = ring.signer(role);
    const tx = {
      channel: 'o',
      action: 'approve' as const,
      object: sha256(message),
      previous: sha256(message),
      args: null,
    };
    const statement = readStatement(await signTransaction(sha256, signer, tx), 'tx');
    t.notThrows(() => checkStatement(verifier, statement, ring.publicKey(role)), role);
  }
  // One key, one role: the file under another role's name is refused like every other.
  await writeFile(join(path, 'keys', 'log.key'), await readFile(join(path, 'keys', 'service.key')), { mode: 0o600 });
  await t.throwsAsync(openKeyRing(join(path, 'keys'), ['log']), refusal('BAD_STORE'));
});

test('a signing command that fails, lies, talks or hangs is refused with its code', async (t) => {
  const path = await folder(t);
  const other = await createKey(join(path, 'other.key'), 'log');
  const signed = Buffer.from(await other.sign(message)).toString('base64');
  const made = await createKey(join(path, 'mine.key'), 'log');
  const file = (command: [string], seconds = LONG_SECONDS): CommandKeyFile => ({
    ...{ format: 'countersign-key-command-1', role: 'log', alg: ALG_ED25519, command, seconds },
    publicKey: hex(made.publicKey),
  });
  const rows: [code: string, name: string, body: string, seconds?: number][] = [
    ['UNREACHABLE', 'fails', 'echo the token is not plugged in >&2; exit 3'],
    ['BAD_SIGNATURE', 'another-key', `echo ${signed}`],
    ['BAD_SIGNATURE', 'silent', 'cat > /dev/null'],
    ['BAD_SIGNATURE', 'noise', 'head -c 72 /dev/zero'],
    ['TOO_LARGE', 'talks', 'exec cat /dev/zero'],
    ['UNREACHABLE', 'hangs', 'exec sleep 600', 1],
  ];
  for (const [code, name, body, seconds] of rows) {
    const signer = commandSigner(file(await program(path, name, body), seconds));
    await t.throwsAsync(signer.sign(message), refusal(code), name);
  }
  const missing = commandSigner(file([join(path, 'nowhere')]));
  for (const [signer, words] of [
    [missing, /nowhere ENOENT/],
    [commandSigner(file([join(path, 'fails')])), /^the token is not plugged in$/],
  ] as const) {
    const error = await t.throwsAsync(signer.sign(message), refusal('UNREACHABLE'));
    t.notRegex(error!.message, /plugged|nowhere|ENOENT/, 'what it said is for who runs it');
    t.regex(commandWords(new Error('outer', { cause: error })) ?? '', words);
    t.true(logText(error).startsWith(`${error!.message} (it said: `));
  }
  await t.throwsAsync(createCommandKey(join(path, 'new.key'), file([join(path, 'fails')])), refusal('UNREACHABLE'));
  await t.throwsAsync(loadSigner(join(path, 'new.key')), refusal('BAD_STORE'), 'a key that cannot sign is not made');
  const bad = {
    'by PATH': { command: ['sign'] },
    none: { command: [] },
    long: { seconds: 301 },
    role: { role: 'king' },
  };
  for (const [name, change] of Object.entries(bad)) {
    await writeFile(join(path, 'bad.key'), JSON.stringify({ ...file(['/bin/true']), ...change }), { mode: 0o600 });
    await t.throwsAsync(loadSigner(join(path, 'bad.key')), refusal('BAD_STORE'), name);
  }
});

test('signatures wait for a slow command, so many and no more', async (t) => {
  const path = await folder(t);
  const { publicKey } = await createKey(join(path, 'a.key'), 'log');
  const go = join(path, 'go');
  const command = await program(path, 'waits', `until [ -e ${go} ]; do sleep 0.05; done; exit 1`);
  const file: CommandKeyFile = {
    ...{ format: 'countersign-key-command-1', role: 'log', alg: ALG_ED25519, publicKey: hex(publicKey), command },
    seconds: LONG_SECONDS,
  };
  const signer = commandSigner(file, verifier, { atOnce: 2, waiting: 3 });
  const full = 2 + 3;
  const codes = Array.from({ length: full + 1 }, () =>
    signer.sign(message).then(
      () => 'OK',
      ({ code }) => code,
    ),
  );
  t.is(await codes[full], 'BUSY');
  await writeFile(go, '');
  t.deepEqual(await Promise.all(codes.slice(0, full)), Array(full).fill('UNREACHABLE'));
});

test("a server's keys come out of the service manager's credentials, where its folder has none", async (t) => {
  const path = await folder(t);
  const [keys, credentials] = [join(path, 'keys'), join(path, 'credentials')];
  await mkdir(credentials);
  const made = await createKey(join(credentials, 'collection.key'), 'collection', { passphrase: 'four words or more' });
  const passphrase = 'four words or more';
  const ring = await openKeyRing(keys, ['collection'], { create: true, passphrase, credentials });
  t.deepEqual(ring.publicKey('collection').bytes, made.publicKey);
  await t.throwsAsync(readFile(join(keys, 'collection.key')), { code: 'ENOENT' });
  await t.throwsAsync(openKeyRing(keys, ['service'], { credentials }), refusal('BAD_STORE'));
  // systemd gives root's file to a service of another user by an access list, which shows as a right of the group.
  const file = join(path, 'credential');
  await writeFile(file, 'words', { mode: 0o600 });
  await chmod(file, 0o440);
  const own = process.getuid?.();
  if (own === undefined) return t.log('Windows has no mode bits; nothing is checked there');
  await t.throwsAsync(readSecretFile(file), refusal('BAD_STORE'));
  const read = readSecretFile(file, { credential: true });
  if (own === 0) t.is(new TextDecoder().decode(await read), 'words');
  else await t.throwsAsync(read, refusal('BAD_STORE'), "only root's file may be so");
  await chmod(file, 0o444);
  await t.throwsAsync(readSecretFile(file, { credential: true }), refusal('BAD_STORE'));
});

test('a trust root reads back as planned, signed by the root keys', async (t) => {
  const path = await folder(t);
  const roles = ['collection', 'distribution', 'command', 'log', 'orderer', 'service', 'root'] as const;
  const ring = await openKeyRing(path, roles, { create: true });
  const keys = Object.fromEntries(roles.map((role) => [role, [ring.publicKey(role)]]));
  const bytes = await authorRoot(sha256, { origin: 'example.org/log', keys }, [ring.signer('root')]);
  const { root, signatures } = readSignedRoot(sha256, bytes);
  t.like(root, { version: 1, origin: 'example.org/log', headAgeMax: 86_400, floors: [], revocations: [] });
  t.deepEqual(root.roles.peer, { threshold: 0, keys: [], implicit: [] });
  for (const role of roles) t.deepEqual(root.roles[role], { threshold: 1, keys: [ring.publicKey(role)], implicit: [] });
  t.is(signatures.length, 1);
  t.notThrows(() => checkStatement(verifier, signatures[0]!, ring.publicKey('root')));
});

test('a list of keys says which trust roots named a key, and that it is retired or revoked', async (t) => {
  const path = await folder(t);
  const keys = await Promise.all(['a', 'b', 'c'].map((name) => createKey(join(path, `${name}.key`), 'log')));
  const [a, b, c] = keys.map(publicKeyOf);
  const none = { threshold: 0, keys: [], implicit: [] };
  const others = Object.fromEntries(ROLES.map((role) => [role, none]));
  const root = (version: number, log: PublicKey[], revoked: PublicKey[]) =>
    ({
      version,
      roles: { ...others, log: { threshold: 1, keys: log, implicit: [] } },
      revocations: revoked.map((key) => ({ thumbprint: thumbprint(sha256, key), logSize: 9 })),
    }) as unknown as TrustRoot;
  const found = rootFindings(sha256, [root(1, [a!], []), root(2, [a!, b!], []), root(3, [c!], [b!])]);
  t.deepEqual(
    found.map(({ state, namedBy }) => [state, namedBy]),
    [
      ['retired', 'trust roots 1 to 2'],
      ['revoked', 'trust root 2'],
      ['active', 'trust root 3'],
    ],
  );
});

test('an issued key is listed with its identity and its centre, on the record or in a trust root', async (t) => {
  const [centre, other] = [newCentre(), newCentre()];
  const identity = { role: 'distribution', name: 'one' } as const;
  const [first, second] = [
    await issueTo(centre, { ...identity, epoch: 1 }),
    await issueTo(other, { ...identity, epoch: 2 }),
  ];
  const print = (key: ImplicitKey) => implicitThumbprint(sha256, key);
  const none = { threshold: 0, keys: [], implicit: [] };
  const roles = Object.fromEntries(ROLES.map((role) => [role, none]));
  const root = {
    ...{ version: 1, revocations: [{ thumbprint: thumbprint(sha256, centre.publicKey), logSize: 9 }] },
    roles: { ...roles, distribution: { ...none, implicit: [print(first.key)] } },
    implicit: implicitKeysValue({ centres: [centre.publicKey], keys: [first.key] }),
  } as unknown as TrustRoot;
  const named = rootFindings(sha256, [root]);
  const kid = ({ publicKey }: typeof centre) => hex(kidOf(sha256, publicKey));
  t.like(named[0]!, {
    ...{ kind: 'distribution', name: 'one' },
    issued: { epoch: 1, centre: kid(centre) },
    state: 'active',
  });
  t.like(named[1]!, { kind: 'kgc', state: 'revoked', namedBy: 'trust root 1' });
  const seen = (key: ImplicitKey) => ({
    ...{ thumbprint: hex(print(key)), centre: hex(key.centre), point: hex(key.point), by: 'bob', entry: '', time: 1 },
  });
  const views = [first, second].map(({ key }) => ({
    ...identity,
    epoch: key.epoch,
    points: [seen(key)],
    convicted: false,
  }));
  const record = recordFindings(named, views);
  t.is(record.length, 1, 'what a root names is one row');
  t.like(record[0]!, {
    name: 'one',
    issued: { epoch: 2, centre: kid(other) },
    state: 'next',
    namedBy: 'ledger: issued',
  });
  const rows = keyRows(sha256, [], { findings: [...named, ...record], used: new Map(), lookedFrom: 0 });
  t.deepEqual(
    rows.map(({ name, epoch, centre, alg }) => [name, epoch, centre, alg]),
    [
      ['one', 1, kid(centre), ALG_ESP256],
      [null, null, null, ALG_ESP256],
      ['one', 2, kid(other), ALG_ESP256],
    ],
  );
});

test('a trust root that no device would accept is not signed off', async (t) => {
  const ring = await openKeyRing(await folder(t), ['root', 'log'], { create: true });
  const plan = { origin: 'o', keys: { root: [ring.publicKey('root')], log: [ring.publicKey('root')] } };
  await t.throwsAsync(authorRoot(sha256, plan, [ring.signer('root')]), refusal('BAD_ROOT'));
  await t.throwsAsync(authorRoot(sha256, plan, []), { instanceOf: RangeError });
});

test('a signed transaction reads back and verifies under the signer', async (t) => {
  const signer = await createPerson(await folder(t), 'alice');
  const transaction = {
    channel: 'example.org/log',
    action: 'approve' as const,
    object: sha256(message),
    previous: new Uint8Array(32),
    args: null,
  };
  const statement = readStatement(await signTransaction(sha256, signer, transaction), 'tx');
  t.deepEqual(readTransaction(statement.payload), transaction);
  t.notThrows(() => checkStatement(verifier, statement, publicKeyOf(signer)));
  const large = { ...transaction, args: new Uint8Array(TX_BYTES_MAX) };
  await t.throwsAsync(signTransaction(sha256, signer, large), refusal('TOO_LARGE'));
});

test('vendor and class ids are the version 5 UUIDs of SUIT', (t) => {
  const vendor = vendorId('arm.com');
  t.is(uuidText(vendor), 'fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe');
  t.is(hex(classId(vendor, 'suit')), '1492af1425695e48bf429b2d51f2ab45');
});
