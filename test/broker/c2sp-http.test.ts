/** A ledger as auditors and witnesses of other logs know one: over HTTP, by the pages of c2sp.org. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createApi } from '@countersign/broker/face/api/app';
import { auditorRoutes } from '@countersign/broker/face/api/auditor-routes';
import { witnessRoutes } from '@countersign/broker/face/api/witness-routes';
import { checkpointText, readCheckpoint } from '@countersign/broker/ledger/c2sp/checkpoint';
import type { CheckpointStore } from '@countersign/broker/ledger/c2sp/checkpoints';
import { encodeNote, readNote, signatureLine } from '@countersign/broker/ledger/c2sp/note';
import { noteFile } from '@countersign/broker/ledger/c2sp/note-file';
import { checkNote, cosignText, signText } from '@countersign/broker/ledger/c2sp/note-signatures';
import { checkProof, encodeProof } from '@countersign/broker/ledger/c2sp/proof';
import { auditKeys, peerName, policyText } from '@countersign/broker/ledger/c2sp/trust';
import { COSIGNATURE_V1, encodeVkey, noteKey } from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest, Witness } from '@countersign/broker/ledger/c2sp/witness';
import { witnessed } from '@countersign/broker/ledger/c2sp/witnessed';
import { type Code, codeOf } from '@countersign/device-sdk';
import { leafHash, publicKeyOf, readSignedRoot, type Signer, thumbprint } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { auditLog, auditorKey, isSignedNote, verifyProof } from '../support/c2sp-auditor.ts';
import { runVerbJson } from '../support/command-here.ts';
import { SILENT } from '../support/silent-log.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  sha256,
  verifier,
  type World,
} from './ledger-world.ts';
import { until } from './peer-bed.ts';

const TOKEN = 'a-token-for-this-test';

test('an auditor with a key and an address recomputes the log, and proves an entry offline', async (t) => {
  const { world, url } = await served(t);
  const vkey = vkeyOf(world);
  await addProduct(world);
  const device = newDevice();
  await enrolDevices(world, [device]);
  for (let i = 0; i < 270; i++) await world.ledger.submit(await nextReport(device));
  const { size, entries } = await auditLog(`${url}/log`, vkey, TOKEN);
  t.true(size > 256, 'tiles of two levels');
  t.is((await world.ledger.head()).head.size, size);
  const leaf = createHash('sha256')
    .update(Buffer.concat([Buffer.of(0), entries[99]!]))
    .digest('hex');
  const proof = await get(`${url}/log/${leaf}.tlog-proof`);
  t.is(verifyProof(Buffer.from(await proof.arrayBuffer()), entries[99]!, vkey), size);
  t.throws(() => verifyProof(Buffer.from('x'), entries[99]!, vkey));
  await world.ledger.submit(await nextReport(device));
  t.is((await auditLog(`${url}/log`, vkey, TOKEN)).size, size + 1, 'a partial tile that has grown');
  const old = await get(`${url}/log/tile/0/001.p/1`);
  t.is((await old.arrayBuffer()).byteLength, 32, 'an older width is still there');
  await t.throwsAsync(auditLog(`${url}/log`, vkeyOf(world, newSigner()), TOKEN), { message: /not signed/ });
});

test('files of the log have their types, ages and tags; what is not there is NOT_FOUND', async (t) => {
  const { world, url } = await served(t);
  const checkpoint = await get(`${url}/log/checkpoint`);
  t.is(checkpoint.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.is(checkpoint.headers.get('cache-control'), 'no-cache');
  const etag = checkpoint.headers.get('etag')!;
  t.is((await get(`${url}/log/checkpoint`, { 'if-none-match': etag })).status, 304);
  const tile = await get(`${url}/log/tile/0/000.p/3`);
  t.is(tile.headers.get('content-type'), 'application/octet-stream');
  t.is(tile.headers.get('cache-control'), 'public, max-age=3600');
  const entries = await get(`${url}/log/tile/entries/000.p/3`, { authorization: `Bearer ${TOKEN}` });
  t.is(entries.headers.get('cache-control'), 'private, max-age=3600');
  t.is(entries.headers.get('content-encoding'), 'gzip', 'what fetch asks for by itself');
  const plain = await rawGet(`${url}/log/tile/entries/000.p/3`, 'gzip;q=0, identity');
  t.deepEqual([plain.encoding, plain.bytes], [undefined, Buffer.from(await entries.arrayBuffer())]);
  const packed = await rawGet(`${url}/log/tile/entries/000.p/3`, 'br, gzip;q=0.5');
  t.deepEqual([packed.encoding, gunzipSync(packed.bytes)], ['gzip', plain.bytes]);
  t.not(plain.etag, packed.etag, 'two forms, two tags');
  for (const path of ['tile/entries/000.p/3', 'tile/entries/000'])
    t.is((await get(`${url}/log/${path}`)).status, 401, path);
  const leaf = 'ab'.repeat(32);
  for (const path of [
    ...['tile/0/000', 'tile/0/000.p/4', 'tile/0/001.p/1', 'tile/1/000.p/1', 'tile/63/000.p/1', 'tile/64/000'],
    ...['tile/0/x000/000', 'tile/0/0', 'tile/', 'tile/entries', 'tile/entries%2F000.p%2F3', 'tile//entries/000.p/3'],
    ...[`${leaf}.tlog-proof`, `${leaf.toUpperCase()}.tlog-proof`, 'ab.tlog-proof', 'head', '..%2Fcheckpoint'],
  ]) {
    const answer = await get(`${url}/log/${path}`);
    t.is(answer.status, 404, path);
    t.is(answer.headers.get('cache-control'), 'no-store', path);
  }
  const authorized = { authorization: `Bearer ${TOKEN}` };
  t.is((await get(`${url}/log/tile/entries/000.p/4`, authorized)).status, 404);
  t.is((await get(`${url}/log/checkpoint`, {}, 'POST')).status, 401, 'nothing is to be posted');
  t.is(readCheckpoint(new Uint8Array(await checkpoint.arrayBuffer())).size, (await world.ledger.head()).head.size);
});

test('of one size there is one checkpoint, kept before it is given and refused where it would contradict', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const file = join(world.dir, 'ledger', 'checkpoint');
  await t.throwsAsync(readFile(file), { code: 'ENOENT' });
  const all = await Promise.all([1, 2, 3].map(() => world.ledger.checkpoint()));
  const [first] = all;
  t.deepEqual(all, [first, first, first] as Uint8Array[]);
  t.deepEqual(new Uint8Array(await readFile(file)), first);
  world.clock.now += 10;
  await world.ledger.refreshHead();
  t.deepEqual(await world.ledger.checkpoint(), first!, 'a head of a later time, and the same tree');
  t.deepEqual(await (await world.reopen()).checkpoint(), first!);
  await addProduct(world);
  const next = readCheckpoint(await world.ledger.checkpoint());
  t.is(next.size, readCheckpoint(first!).size + 1);
  const changed = (size: number, root: Uint8Array) => writeNote(file, world.keys.log, size, root);
  const rows: [string, Code, () => Promise<void>][] = [
    ['a larger one was given', 'BAD_HEAD', () => changed(next.size + 1, next.root)],
    ['another tree was given', 'BAD_HEAD', () => changed(next.size - 1, next.root)],
    ['the file is damaged', 'BAD_STORE', () => writeFile(file, 'x')],
  ];
  for (const [what, code, change] of rows) {
    await change();
    const ledger = await world.reopen();
    t.is(codeOf(await t.throwsAsync(ledger.checkpoint())), code, what);
  }
});

const NO_SIZE = 'the old size is no decimal number without leading zeros\n';
const NO_LOG = 'this witness does not know the log\n';
const UNSIGNED = 'no key of the log signed this\n';
const NO_PROOF = 'the proof does not hold\n';

test('a witness answers 200, 400, 403, 404, 409 and 422 as the page says', async (t) => {
  const { world, url, peer } = await served(t);
  const [empty, other] = [await world.ledger.checkpoint(), newSigner()];
  const first = readCheckpoint(empty);
  const post = (body: Uint8Array, type = 'text/plain') => postTo(`${url}/witness`, body, type);
  t.is((await get(`${url}/witness/${nameOf(ORIGIN)}/checkpoint`)).status, 404, 'nothing cosigned yet');
  t.is((await post(encodeRequest(0, [first.root], empty))).status, 422, 'a proof from nothing is empty');
  t.is((await post(encodeRequest(0, [], empty))).status, 200);
  await addProduct(world);
  const now = await world.ledger.checkpoint();
  const { size } = readCheckpoint(now);
  const path = await world.ledger.consistency(first.size, size);
  const forged = async (s: number, root: Uint8Array) => encodeNote(await noteOf(world.keys.log, s, root));
  const spoilt = Buffer.from(
    Buffer.from(now)
      .toString()
      .replace(`\n${size}\n`, `\n${size + 1}\n`),
  );
  const wrongPath = path.map((hash) => hash.map((byte) => byte ^ 1));
  const halfHash = Buffer.alloc(31).toString('base64');
  const { text, signatures } = readNote(now);
  const alsoBad = { ...signatures[0]!, signature: signatures[0]!.signature.map((byte) => byte ^ 1) };
  const oneBad = encodeNote({ text, signatures: [signatures[0]!, alsoBad] });
  const oldSize = `${first.size}\n`;
  // In the order in which the page has them: what is wrong in two ways is told as the first of them.
  const rows: [string, number, string, Uint8Array][] = [
    ['no request', 400, 'a request without an empty line before its checkpoint\n', new Uint8Array()],
    ['no empty line', 400, 'a request without an empty line before its checkpoint\n', Buffer.from('old 3\n')],
    ['no old size', 400, 'a request begins with the old size\n', Buffer.from(`new 3\n\n${Buffer.from(now)}`)],
    ['a leading zero', 400, NO_SIZE, Buffer.from(`old 03\n\n${Buffer.from(now)}`)],
    ['a sign', 400, NO_SIZE, Buffer.from(`old +3\n\n${Buffer.from(now)}`)],
    [
      'a hash of 31 bytes',
      400,
      'a hash of the proof is not base64 of 32 bytes\n',
      Buffer.from(`old 3\n${halfHash}\n\n${Buffer.from(now)}`),
    ],
    ['64 hashes', 400, 'a proof of 64 hashes\n', encodeRequest(first.size, Array(64).fill(first.root), now)],
    [
      'no checkpoint',
      400,
      'a note without an empty line before its signatures\n',
      Buffer.from(`old ${first.size}\n\nx\n`),
    ],
    [
      'another log',
      404,
      NO_LOG,
      encodeRequest(9, [], await noteBytes(world.keys.log, 1, first.root, 'ledger.test/two')),
    ],
    ['signed by a stranger', 403, UNSIGNED, encodeRequest(99, path, await noteBytes(other, size, first.root))],
    ['a signature that does not verify', 403, UNSIGNED, encodeRequest(99, path, spoilt)],
    ['one that verifies and one that does not', 403, UNSIGNED, encodeRequest(first.size, path, oneBad)],
    [
      'an old size beyond the new one',
      400,
      'the old size is larger than the new one\n',
      encodeRequest(size + 1, [], now),
    ],
    ['no old size where one is known', 409, oldSize, encodeRequest(0, [], now)],
    ['another old size than it has', 409, oldSize, encodeRequest(size, [], now)],
    ['a proof that is missing', 422, NO_PROOF, encodeRequest(first.size, [], now)],
    ['a proof that is wrong', 422, NO_PROOF, encodeRequest(first.size, wrongPath, now)],
    ['a proof too long', 422, NO_PROOF, encodeRequest(first.size, [...path, first.root], now)],
    [
      'one size, two roots',
      422,
      NO_PROOF,
      encodeRequest(
        first.size,
        [],
        await forged(
          first.size,
          first.root.map((b) => b ^ 1),
        ),
      ),
    ],
    ['the same with a proof', 422, NO_PROOF, encodeRequest(first.size, path, empty)],
  ];
  for (const [what, status, body, request] of rows) {
    const answer = await post(request);
    t.is(answer.status, status, what);
    t.is(await answer.text(), body, what);
    t.is(answer.headers.get('content-type'), status === 409 ? 'text/x.tlog.size' : 'text/plain; charset=utf-8', what);
  }
  const good = await post(encodeRequest(first.size, path, now), 'application/json');
  t.is(good.status, 200);
  t.is(good.headers.get('content-type'), 'text/plain; charset=utf-8');
  const line = await good.text();
  // Ed25519 is deterministic: there is one line that this key can give for this text at this second.
  const expected = await cosignText(sha256, peerName(sha256, ORIGIN, publicKeyOf(peer)), peer, text, 1_800_000_000);
  t.is(line, signatureLine(expected));
  const cosigned = new Uint8Array(Buffer.concat([Buffer.from(now), Buffer.from(line)]));
  const key = noteKey(sha256, peerName(sha256, ORIGIN, publicKeyOf(peer)), COSIGNATURE_V1, publicKeyOf(peer));
  t.is(checkNote(verifier, readNote(cosigned), [key])[0]!.time, 1_800_000_000);
  t.true(isSignedNote(Buffer.from(cosigned), auditorKey(encodeVkey(key))));
  t.is((await post(encodeRequest(size, [], now))).status, 200, 'the same again');
  const shown = await get(`${url}/witness/${nameOf(ORIGIN)}/checkpoint`);
  t.deepEqual(new Uint8Array(await shown.arrayBuffer()), cosigned);
  t.is((await get(`${url}/witness/${nameOf('ledger.test/two')}/checkpoint`)).status, 404);
  t.is((await get(`${url}/witness/${nameOf(ORIGIN)}/checkpoint`, {}, 'POST')).status, 401);
  t.is((await post(new Uint8Array(200_000))).status, 413);
});

test('a witness keeps one signature of the log, however often it is repeated', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const store = memory();
  const witness = witnessOf(world, newSigner(), store);
  const { text, signatures } = readNote(await world.ledger.checkpoint());
  const repeated = encodeNote({ text, signatures: Array.from({ length: 64 }, () => signatures[0]!) });
  t.is((await witness.addCheckpoint(encodeRequest(0, [], repeated))).status, 200);
  t.is(readNote((await store.load())!).signatures.length, 2);
});

test('of two requests at once that a witness could both grant, it grants one', async (t) => {
  const { world, url } = await served(t);
  const first = readCheckpoint(await world.ledger.checkpoint());
  await postTo(`${url}/witness`, encodeRequest(0, [], await world.ledger.checkpoint()));
  await addProduct(world);
  const one = await world.ledger.checkpoint();
  const size = readCheckpoint(one).size;
  await enrolDevices(world, [newDevice()]);
  const two = await world.ledger.checkpoint();
  const request = async (note: Uint8Array, to: number) =>
    encodeRequest(first.size, await world.ledger.consistency(first.size, to), note);
  const bodies = [await request(one, size), await request(two, size + 1)];
  const answers = await Promise.all(bodies.map((body) => postTo(`${url}/witness`, body)));
  t.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
});

test('a log gathers the signatures of witnesses that it knows, and waits for none', async (t) => {
  const { world, url, peer } = await served(t);
  const wanted = new Set<string>();
  const others = createServer((asked, response) => {
    wanted.add(asked.url!);
    const strange = `\u2014 stranger ${Buffer.alloc(76).toString('base64')}\n`;
    const answers: Record<string, [number, string]> = {
      '/garbage/add-checkpoint': [200, 'thank you'],
      '/stranger/add-checkpoint': [200, strange],
      '/lost/add-checkpoint': [409, '9999999\n'],
      '/endless/add-checkpoint': [200, strange.repeat(10_000)],
    };
    const [status, body] = answers[asked.url!]!;
    asked.resume().on('end', () => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => others.listen(0, '127.0.0.1', resolve));
  t.teardown(() => others.close());
  const at = `http://127.0.0.1:${(others.address() as AddressInfo).port}`;
  const key = noteKey(sha256, peerName(sha256, ORIGIN, publicKeyOf(peer)), COSIGNATURE_V1, publicKeyOf(peer));
  const log = witnessed(world.ledger, {
    urls: ['garbage', 'stranger', 'lost', 'endless']
      .map((name) => `${at}/${name}`)
      .concat('http://127.0.0.1:9', `${url}/witness/`),
    ...{ verifier, keys: () => [key], consistency: (from, to) => world.ledger.consistency(from, to) },
  });
  t.teardown(() => log.close());
  const namesNow = async () => readNote(await log.checkpoint()).signatures.map(({ name }) => name);
  t.deepEqual(await namesNow(), [ORIGIN], 'the first who asks gets what there is');
  const names = [ORIGIN, key.name];
  await until('the witness to sign', async () => (await namesNow()).length === 2);
  t.deepEqual(await namesNow(), names);
  t.is(wanted.size, 4);
  await addProduct(world);
  t.deepEqual(await namesNow(), [ORIGIN], 'of a new checkpoint nobody has signed anything');
  await until('the witness to sign again', async () => (await namesNow()).length === 2);
  t.is(checkNote(verifier, readNote(await log.checkpoint()), [key]).length, 1);
  const leaf = leafHash(sha256, world.rootBytes);
  const proof = encodeProof({ ...log.inclusion(leaf, 4), checkpoint: await log.checkpoint() });
  const { log: logKeys } = auditKeys(sha256, readSignedRoot(sha256, world.rootBytes).root);
  const { witnesses } = checkProof(verifier, proof, leaf, { log: logKeys, witnesses: [key] });
  t.is(witnesses.length, 1, 'and proofs carry it');
});

test('a peer cosigns what its own copy holds', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const checkpoint = await world.ledger.checkpoint();
  for (const [holds, status] of [
    [undefined, 503],
    [false, 422],
    [true, 200],
  ] as const) {
    const witness = witnessOf(world, newSigner(), memory(), async () => holds);
    t.is((await witness.addCheckpoint(encodeRequest(0, [], checkpoint))).status, status);
  }
});

test('the keys that auditors are given follow from the trust root', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const { root } = readSignedRoot(sha256, world.rootBytes);
  const { log, peers } = auditKeys(sha256, root);
  t.deepEqual([log.length, peers.length], [1, 0]);
  t.is(auditorKey(encodeVkey(log[0]!)).name, ORIGIN);
  t.is(
    policyText(sha256, root, 'https://a.example/log'),
    `log ${encodeVkey(log[0]!)} https://a.example/log\nquorum none\n`,
  );
  await writeFile(join(world.dir, 'root'), world.rootBytes);
  const { code, json } = await runVerbJson('keys', 'vkey', join(world.dir, 'root'));
  t.is(code, 0);
  t.deepEqual(json, { origin: ORIGIN, log: log.map(encodeVkey), peers: [], policy: policyText(sha256, root) });
  const key = publicKeyOf(newSigner());
  const withPeer = { ...root, roles: { ...root.roles, peer: { threshold: 1, keys: [key], implicit: [] } } };
  const [peer] = auditKeys(sha256, withPeer).peers;
  t.is(policyText(sha256, withPeer).split('\n')[1], `witness peer-1 ${encodeVkey(peer!)}`);
  t.regex(policyText(sha256, withPeer), /\ngroup peers 1 peer-1\nquorum peers\n$/);
  t.deepEqual(auditKeys(sha256, { ...root, origin: 'a b' }), { log: [], peers: [] });
  const revocations = [{ thumbprint: thumbprint(sha256, publicKeyOf(world.keys.log)), logSize: 1 }];
  t.deepEqual(auditKeys(sha256, { ...root, revocations }).log, [], 'a revoked key is no key');
});

async function served(t: ExecutionContext) {
  const world = await newWorld();
  const peer = newSigner();
  const gate = { accepts: (header: string | undefined) => header === `Bearer ${TOKEN}` };
  const app = createApi({ server: 'ledger', gate, log: SILENT as never });
  await app.register(auditorRoutes(world.ledger));
  const store = noteFile(join(world.dir, 'cosigned'));
  await app.register(witnessRoutes(witnessOf(world, peer, store), ORIGIN));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await app.close();
    await world.end();
  });
  return { world, url, peer };
}

function witnessOf(
  world: World,
  signer: Signer,
  store: CheckpointStore,
  holds?: () => Promise<boolean | undefined>,
): Witness {
  const { log } = auditKeys(sha256, readSignedRoot(sha256, world.rootBytes).root);
  const name = peerName(sha256, ORIGIN, publicKeyOf(signer));
  const more = holds && { holds };
  return new Witness({ verifier, log: () => log, signer, name, store, now: () => 1_800_000_000, ...more });
}

function memory(): CheckpointStore {
  let kept: Uint8Array | undefined;
  return { load: async () => kept, save: async (note: Uint8Array) => void (kept = note) };
}

function vkeyOf(world: World, signer: Signer = world.keys.log): string {
  return encodeVkey(noteKey(sha256, ORIGIN, 1, publicKeyOf(signer)));
}

async function noteOf(signer: Signer, size: number, root: Uint8Array, origin = ORIGIN) {
  const text = checkpointText({ origin, size, root });
  return { text, signatures: [await signText(sha256, origin, signer, text)] };
}

async function noteBytes(...args: Parameters<typeof noteOf>): Promise<Uint8Array> {
  return encodeNote(await noteOf(...args));
}

async function writeNote(file: string, ...args: Parameters<typeof noteOf>): Promise<void> {
  await writeFile(file, await noteBytes(...args));
}

function nameOf(origin: string): string {
  return createHash('sha256').update(origin).digest('hex');
}

/** Without the decoding that fetch does. */
function rawGet(url: string, accept: string): Promise<{ encoding?: string; etag?: string; bytes: Buffer }> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'accept-encoding': accept };
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const { 'content-encoding': encoding, etag } = answer.headers;
        resolve({ bytes: Buffer.concat(parts), ...(encoding && { encoding }), ...(etag && { etag }) });
      });
    })
      .on('error', reject)
      .end();
  });
}

function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
  return fetch(url, { headers, method });
}

function postTo(prefix: string, body: Uint8Array, type = 'text/plain'): Promise<Response> {
  const headers = { 'content-type': type };
  return fetch(`${prefix}/add-checkpoint`, { method: 'POST', headers, body: Buffer.from(body) });
}
