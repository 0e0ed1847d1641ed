import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobRoutes } from '@countersign/broker/face/api/blob-routes';
import { answerOf, problemOf, refusalOf } from '@countersign/broker/face/api/refusals';
import { cidOf } from '@countersign/broker/store/cid';
import { writeDurable } from '@countersign/broker/store/durable';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { httpBlobs } from '@countersign/broker/store/http-blobs';
import { Refusal } from '@countersign/device-sdk';
import { concat, hex, makeFrames } from '@countersign/device-sdk/format';
import test from 'ava';
import Fastify, { type FastifyInstance } from 'fastify';
import { CID } from 'multiformats/cid';

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());

async function folder(t: { teardown(call: () => Promise<void>): void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-store-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
const refusal = (code: string) => ({ instanceOf: Refusal, code });

test('a blob comes back under its SHA-256, from another opening of the folder too', async (t) => {
  const path = await folder(t);
  const bytes = random(10_000);
  const digest = await fileBlobStore(path, sha256).put(bytes);
  t.deepEqual(digest, sha256(bytes));
  const again = fileBlobStore(path, sha256);
  t.deepEqual(await again.blob(digest), bytes);
  t.true(await again.has(digest));
  t.false(await again.has(sha256(digest)));
  await t.throwsAsync(again.blob(sha256(digest)), refusal('NOT_FOUND'));
});

test('putting the same blob again, even at the same time, leaves one file and no temporary one', async (t) => {
  const path = await folder(t);
  const store = fileBlobStore(path, sha256);
  const bytes = random(5000);
  await Promise.all([store.put(bytes), store.put(bytes), store.put(bytes)]);
  await store.put(bytes);
  const files = await readdir(join(path, 'blobs', hex(sha256(bytes)).slice(0, 2)));
  t.deepEqual(files, [hex(sha256(bytes))]);
});

test('a blob with one changed byte is BAD_STORE, and putting the content again mends it', async (t) => {
  const path = await folder(t);
  const store = fileBlobStore(path, sha256);
  const bytes = random(3000);
  const digest = await store.put(bytes);
  const file = join(path, 'blobs', hex(digest).slice(0, 2), hex(digest));
  const damaged = Uint8Array.from(bytes);
  damaged[1234]! ^= 1;
  await writeFile(file, damaged);
  await t.throwsAsync(store.blob(digest), refusal('BAD_STORE'));
  await writeFile(file, bytes.subarray(0, 100));
  await t.throwsAsync(store.blob(digest), refusal('BAD_STORE'));
  await store.put(bytes);
  t.deepEqual(await store.blob(digest), bytes);
});

test('frames come back whole; every flipped byte of the stored file is refused', async (t) => {
  const path = await folder(t);
  const store = fileBlobStore(path, sha256);
  const { frames, payload } = makeFrames(sha256, random(700), 256);
  await store.putFrames(payload, frames);
  await store.putFrames(payload, frames);
  t.deepEqual(await store.frames(payload), frames);
  const file = join(path, 'payloads', hex(payload.chainHead).slice(0, 2), hex(payload.chainHead));
  const good = new Uint8Array(await readFile(file));
  for (let i = 0; i < good.length; i++) {
    const bad = Uint8Array.from(good);
    bad[i]! ^= 0x40;
    await writeFile(file, bad);
    await t.throwsAsync(store.frames(payload), refusal('BAD_FRAME'), `byte ${i}`);
  }
  for (const length of [0, 1, 50, good.length - 1]) {
    await writeFile(file, good.subarray(0, length));
    await t.throwsAsync(store.frames(payload), refusal('BAD_FRAME'), `${length} bytes`);
  }
});

test('frames that are not the chain they claim to be are not stored', async (t) => {
  const store = fileBlobStore(await folder(t), sha256);
  const { frames, payload } = makeFrames(sha256, random(2000), 512);
  const swapped = [frames[1]!, frames[0]!, ...frames.slice(2)];
  await t.throwsAsync(store.putFrames(payload, swapped), refusal('BAD_FRAME'));
  await t.throwsAsync(store.putFrames(payload, frames.slice(0, 2)), refusal('BAD_FRAME'));
  await t.throwsAsync(store.putFrames({ ...payload, bytes: 1 }, frames), refusal('BAD_FRAME'));
  await t.throwsAsync(store.frames(payload), refusal('NOT_FOUND'));
});

test('a content id is the CIDv1 that IPFS gives a single raw block', (t) => {
  // The empty block and "hello world"; computed independently with Python's base64 and hashlib.
  t.is(cidOf(sha256(new Uint8Array())), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku');
  t.is(
    cidOf(sha256(new TextEncoder().encode('hello world'))),
    'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e',
  );
  for (let i = 0; i < 50; i++) {
    const digest = random(32);
    t.deepEqual(CID.parse(cidOf(digest)).multihash.digest, digest);
  }
});

test('a durable write with exclusive refuses a name that is taken and leaves the former file', async (t) => {
  const path = join(await folder(t), 'once');
  await writeDurable(path, Uint8Array.of(1), { exclusive: true, mode: 0o600 });
  await t.throwsAsync(writeDurable(path, Uint8Array.of(2), { exclusive: true }), refusal('EXISTS'));
  t.deepEqual([...(await readFile(path))], [1]);
  t.is((await stat(path)).mode & 0o777, 0o600);
  t.deepEqual(await readdir(join(path, '..')), ['once']);
});

async function serve(t: { teardown(call: () => Promise<void>): void }, routes: (app: FastifyInstance) => void) {
  const app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = answerOf(error);
    return reply.status(status).send(body);
  });
  routes(app);
  t.teardown(() => app.close());
  return app.listen({ host: '127.0.0.1', port: 0 });
}

test('blobs and frames travel over HTTP and are checked on arrival', async (t) => {
  const store = fileBlobStore(await folder(t), sha256);
  const url = await serve(t, (app) => {
    app.addHook('onRequest', async (request) => {
      if (request.headers.authorization !== 'Bearer right') throw new Refusal('UNAUTHORIZED', 'no');
    });
    app.register(blobRoutes(store));
  });
  const bytes = random(70_000);
  const digest = await store.put(bytes);
  const { frames, payload } = makeFrames(sha256, random(9000), 1024);
  await store.putFrames(payload, frames);

  const source = httpBlobs(url, 'right', sha256);
  t.deepEqual(await source.blob(digest), bytes);
  t.deepEqual(await source.frames(payload), frames);
  await t.throwsAsync(source.blob(sha256(digest)), refusal('NOT_FOUND'));
  await t.throwsAsync(httpBlobs(url, 'wrong', sha256).blob(digest), refusal('UNAUTHORIZED'));
  const odd = await fetch(`${url}/api/v1/blobs/zz`, { headers: { authorization: 'Bearer right' } });
  t.deepEqual([odd.status, ((await odd.json()) as { code: string }).code], [400, 'BAD_REQUEST']);
  await t.throwsAsync(httpBlobs('http://127.0.0.1:1', 'right', sha256).blob(digest), refusal('UNREACHABLE'));
});

test('a lying server is found out: other bytes, too many bytes, a broken chain, a redirect', async (t) => {
  const { frames, payload } = makeFrames(sha256, random(3000), 1024);
  const body = concat(...frames);
  const answers: Record<string, Uint8Array> = {
    other: random(100),
    long: concat(body, Uint8Array.of(0)),
    flipped: body.map((byte, i) => (i === 2000 ? byte ^ 1 : byte)),
    short: body.subarray(1),
  };
  let answer = 'other';
  const url = await serve(t, (app) => {
    app.get('/*', async (_request, reply) =>
      answer === 'redirect' ? reply.redirect('http://127.0.0.1:1/') : reply.send(Buffer.from(answers[answer]!)),
    );
  });
  const source = httpBlobs(url, '', sha256);
  await t.throwsAsync(source.blob(sha256(body)), refusal('BAD_STORE'));
  for (const [name, code] of [
    ['other', 'BAD_FRAME'],
    ['long', 'TOO_LARGE'],
    ['flipped', 'BAD_FRAME'],
    ['short', 'BAD_FRAME'],
    ['redirect', 'UNREACHABLE'],
  ] as const) {
    answer = name;
    await t.throwsAsync(source.frames(payload), refusal(code), name);
  }
});

test('a refusal keeps its code and sentence over HTTP; a fault of ours keeps its inside to itself', (t) => {
  const told = problemOf(new Refusal('CONFLICT', 'prepare again'));
  t.is(told.status, 409);
  t.like(refusalOf(told.status, told), { code: 'CONFLICT', message: 'prepare again' });
  t.deepEqual(answerOf(new Error('secret path')), {
    status: 500,
    body: { code: 'INTERNAL', text: 'a fault of the server', doc: 'docs/REFUSALS.md, INTERNAL' },
  });
  for (const odd of [null, 'x', { code: 'NOPE', detail: 'x' }, { code: 'CONFLICT', detail: 7 }, []]) {
    t.is(refusalOf(502, odd).code, 'UNREACHABLE');
  }
  t.is(refusalOf(409, { code: 'CONFLICT', detail: '\u001b[2Jx' }).message, ' [2Jx');
});
