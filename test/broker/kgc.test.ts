/** The key generation centre as a server: one point for one identity, through crashes, strangers and lost answers. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { askForShare } from '@countersign/broker/face/client/centre';
import { keysFolder } from '@countersign/broker/face/up/folders';
import { issuedKeys, openServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { identitiesFolder, kgcKeyPath, type RunningKgc, startKgc } from '@countersign/broker/face/up/kgc';
import { identitiesIn, listIdentity } from '@countersign/broker/keys/kgc/list';
import { issuedPath, readIssued, requestKey } from '@countersign/broker/keys/kgc/request';
import { type Code, codeOf } from '@countersign/device-sdk';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  equal,
  hex,
  type Identity,
  implicitThumbprint,
  kidOf,
  type PublicKey,
  publicKeyOf,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;
const C1: Identity = { role: 'collection', name: 'c1', epoch: 1 };

async function centreOf(t: ExecutionContext) {
  const folder = await temporary(t);
  const data = join(folder, 'kgc');
  const state: { running: RunningKgc } = { running: await startKgc({ data }) };
  t.teardown(() => state.running.close());
  const ask = (identity: Identity, token: string) => (point: string) =>
    apiClient(state.running.url, token).post('/api/v1/shares', { ...identity, point });
  const request = (identity: Identity, token: string, more: Partial<Parameters<typeof requestKey>[0]> = {}) =>
    requestKey({
      ...{ folder: keysFolder(join(folder, 'server'), identity.role), identity, sha256 },
      ...{ centre: state.running.centre.publicKey, ask: ask(identity, token), ...more },
    });
  const list = (identity: Identity) => listIdentity(identitiesFolder(data), identity);
  return { folder, data, state, ask, request, list };
}

const newPoint = () => hex(compressed(generateKeyPair(ALG_ESP256).publicKey));

async function codeOfTry(run: () => Promise<unknown>): Promise<Code | 'done'> {
  try {
    await run();
    return 'done';
  } catch (error) {
    return codeOf(error);
  }
}

test('a server gets its key, signs with it, and the centre keeps its own key and the share alone', async (t) => {
  const { folder, data, request, list, state } = await centreOf(t);
  const token = await list(C1);
  const { key, issuedFile } = await request(C1, token, { passphrase: 'words' });
  const server = join(folder, 'server');
  t.false(existsSync(join(keysFolder(server, 'collection'), 'collection.request')), 'the request is thrown away');
  const ring = await openServerKeys(server, 'collection', { create: true, passphrase: 'words' });
  const signer = ring.signer('collection');
  t.deepEqual(kidOf(sha256, publicKeyOf(signer)), implicitThumbprint(sha256, key).slice(0, 8));
  const message = new Uint8Array([1, 2, 3]);
  t.true(verifier.verify(ALG_ESP256, signer.publicKey, message, await signer.sign(message)));
  const implicit = issuedKeys(sha256, [serverKeys('collection', ring)])!;
  t.deepEqual(implicit, { centres: [state.running.centre.publicKey], keys: [key] });
  t.deepEqual((await readIssued(issuedFile)).key, key);
  // The private key is d = e k + r mod n: k never left the server, and its file is sealed.
  const written = readdirSync(join(data, 'kgc'), { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
  t.deepEqual(written.map(({ name }) => name).sort(), ['collection.1.c1.json', 'kgc.key']);
  t.regex(readFileSync(join(keysFolder(server, 'collection'), 'collection.key'), 'utf8'), /"kdf": "scrypt"/);
  t.is(await codeOfTry(() => request(C1, token)), 'EXISTS', 'a key is never replaced');
});

test('who is not on the list, has another token, or asks for a second point gets none', async (t) => {
  const { ask, list, data, state } = await centreOf(t);
  const token = await list(C1);
  const d1: Identity = { role: 'distribution', name: 'd1', epoch: 1 };
  const other = await list(d1);
  t.is(await codeOfTry(() => list(C1)), 'EXISTS');
  const rows: [why: string, code: Code, identity: object, token: string, point: string][] = [
    ['an identity that is not listed', 'UNAUTHORIZED', { ...C1, name: 'c2' }, token, newPoint()],
    ['another epoch', 'UNAUTHORIZED', { ...C1, epoch: 2 }, token, newPoint()],
    ["another identity's token", 'UNAUTHORIZED', C1, other, newPoint()],
    ['no token of ours', 'UNAUTHORIZED', C1, 'x', newPoint()],
    ['another role', 'BAD_REQUEST', { ...C1, role: 'log' }, token, newPoint()],
    ['a name with a separator', 'BAD_REQUEST', { ...C1, name: '../c1' }, token, newPoint()],
    ['an epoch of zero', 'BAD_REQUEST', { ...C1, epoch: 0 }, token, newPoint()],
    ['a point off the curve', 'BAD_KEY', C1, token, `02${'00'.repeat(31)}04`],
    ['infinity', 'BAD_REQUEST', C1, token, '00'],
    ['a body that is too large', 'TOO_LARGE', { ...C1, name: 'c'.repeat(600) }, token, newPoint()],
  ];
  for (const [why, code, identity, by, point] of rows)
    t.is(await codeOfTry(() => ask(identity as Identity, by)(point)), code, why);
  const said = async (identity: Identity) => (await t.throwsAsync(ask(identity, 'x')(newPoint())))!.message;
  t.is(await said(C1), await said({ ...C1, name: 'c2' }), 'a stranger does not learn who is listed');
  const refused = await t.throwsAsync(askForShare(state.running.url, token, { ...C1, epoch: 2 }, newPoint()));
  t.is(codeOf(refused), 'UNAUTHORIZED');
  t.regex(refused!.message, /collection c1, epoch 2.*keys allow .* --epoch 2$/, 'the asker learns what was asked for');
  t.true(
    (await identitiesIn(identitiesFolder(data))).every(({ issued }) => issued === null),
    'nothing was issued',
  );
  const points = Array.from({ length: 4 }, newPoint);
  const codes = await Promise.all(points.map((point) => codeOfTry(() => ask(C1, token)(point))));
  t.deepEqual(codes.sort(), ['EXISTS', 'EXISTS', 'EXISTS', 'done'], 'four at once: one point');
});

test('an answer that is lost is given again, also by a centre that was started again', async (t) => {
  const { ask, request, list, data, state, folder } = await centreOf(t);
  const token = await list(C1);
  const answers: unknown[] = [];
  const lost = async (point: string) => {
    answers.push(await ask(C1, token)(point));
    throw new Error('the line was cut');
  };
  await t.throwsAsync(request(C1, token, { ask: lost }), { message: 'the line was cut' });
  const { publicKey } = state.running.centre;
  await state.running.close();
  state.running = await startKgc({ data });
  t.deepEqual(state.running.centre.publicKey, publicKey);
  const { key } = await request(C1, token);
  t.is((answers[0] as { point: string }).point, hex(key.point));
  t.true(existsSync(issuedPath(keysFolder(join(folder, 'server'), 'collection'), 'collection')));
});

test('an answer of somebody else than the pinned centre makes no key, and leaves none', async (t) => {
  const { request, list, folder } = await centreOf(t);
  const token = await list(C1);
  const pair = generateKeyPair(ALG_ESP256);
  const another: PublicKey = { alg: ALG_ESP256, bytes: pair.publicKey };
  t.is(await codeOfTry(() => request(C1, token, { centre: another })), 'BAD_KEY');
  t.is(await codeOfTry(() => request(C1, token, { ask: async () => ({ point: '02' }) })), 'BAD_KEY');
  t.false(existsSync(join(keysFolder(join(folder, 'server'), 'collection'), 'collection.key')));
});

test('a centre has a folder, a process and a sealed key of its own', async (t) => {
  const { folder, data } = await centreOf(t);
  t.is(await codeOfTry(() => startKgc({ data })), 'LOCKED');
  for (const holder of ['ledger', 'collection', 'distribution', 'peer', 'root'] as const) {
    const shared = join(folder, `with-${holder}`);
    mkdirSync(keysFolder(shared, holder), { recursive: true });
    t.is(await codeOfTry(() => startKgc({ data: shared })), 'BAD_REQUEST', holder);
  }
  const sealed = join(folder, 'sealed');
  const first = await startKgc({ data: sealed, passphrase: 'words' });
  await first.close();
  t.regex(readFileSync(kgcKeyPath(sealed), 'utf8'), /"kdf": "scrypt"/);
  t.is(await codeOfTry(() => startKgc({ data: sealed })), 'BAD_STORE');
  t.is(
    await codeOfTry(() => startKgc({ data: join(folder, 'far'), host: '0.0.0.0' })),
    'BAD_REQUEST',
    'beyond loopback',
  );
  const again = await startKgc({ data: sealed, passphrase: 'words' });
  t.true(equal(again.centre.publicKey.bytes, first.centre.publicKey.bytes));
  await again.close();
});
