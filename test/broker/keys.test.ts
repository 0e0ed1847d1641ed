import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  publicKeyOf,
  readSignedRoot,
  readStatement,
  readTransaction,
  TX_BYTES_MAX,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import test from 'ava';

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
    t.deepEqual(Object.keys(key).sort(), ['alg', 'name', 'publicKey', 'role', 'sign']);
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
