/** Content as IPFS has it: CIDs, CARs, trustless gateways both ways, an IPFS node by its RPC. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ipfsRoutes } from '@countersign/broker/face/api/ipfs-routes';
import { answerOf } from '@countersign/broker/face/api/refusals';
import { type Block, readCid, storedBlocks } from '@countersign/broker/store/blocks';
import { among, blocksOfCar, carOf } from '@countersign/broker/store/car';
import { cidOf } from '@countersign/broker/store/cid';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { blockOfNode, pushContent } from '@countersign/broker/store/ipfs-node';
import { fetchContent } from '@countersign/broker/store/trustless';
import { addContent, LEAF_BYTES, readContent, unixfsBlocks } from '@countersign/broker/store/unixfs';
import { Refusal } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import test from 'ava';
import Fastify from 'fastify';

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
const refusal = (code: string) => ({ instanceOf: Refusal, code });

// Ava compares byte by byte, with a description of each: seconds for some megabytes.
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** SHA-256 of '0', '1', '2', … one after another. */
function counted(bytes: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes / 32) * 32);
  for (let i = 0; i * 32 < out.length; i++) out.set(sha256(Buffer.from(String(i))), i * 32);
  return out.subarray(0, bytes);
}

/** What ipfs-unixfs-importer 17.1.1 gives for these bytes with its profile of that name. */
const V1_2025: [bytes: number, cid: string, blocks: number][] = [
  [0, 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', 1],
  [1, 'bafkreigs4kw7of33pkfp3w6bfuldjtzd5inhcaqpnijqqbykczaa7nup3y', 1],
  [262_144, 'bafkreiajsvsnwv5otpbfcvpzcal4iwg7z64dvrmmfd7r7grhuikosrutri', 1],
  [262_145, 'bafkreicllmc5n4skqfaajkpliiaiqhcgljdfymnopyhc4xec76qpjmubgm', 1],
  [LEAF_BYTES, 'bafkreiczaxfyqkyu2jxzaofikq7xjexknkieebuukrysmcoehk4natzpxu', 1],
  [LEAF_BYTES + 1, 'bafybeieohcvah6xlweirh64hoifw6ohamwjjn2oknzuzzsiotzx5mpvsxm', 3],
  [5_000_000, 'bafybeiauv47gal5xcmi5zwf7l7rbdn36rfmhfitnsvjc3ks35ysfve5nvu', 6],
];

for (const [bytes, cid, blocks] of V1_2025) {
  test(`${bytes} bytes have the CID that the outside importer gives`, async (t) => {
    const content = counted(bytes);
    const made = unixfsBlocks(sha256, content);
    t.is(made.root.toString(), cid);
    t.is(made.blocks.length, blocks);
    t.true(same(await readContent(made.root, among(made.blocks)), content));
    // Up to one leaf it is the content id of the ledger.
    t.is(cidOf(sha256(content)) === cid, bytes <= LEAF_BYTES);
  });
}

/** The root of 262,145 bytes under the older profile, by the same importer: leaves of 256 KiB inside dag-pb nodes. */
const V0_2015 = {
  cid: 'Qme4WiQPvEN3K8YHzCFzkEbmRVKTXpuYNyMrTwHx8X6Aw9',
  root: '122a0a22122055d6880153e266ec153a4516cf97d3138fcf92cef1541cf73adf2926da0d0cff1200188e801012280a2212203af47a126d2b3fc7d13375192d60d0f1c53b853c899dcf205d9322d05d10d19e120018090a0c080218818010208080102001',
};

test('a file that others have added under the older profile is read, too', async (t) => {
  const content = counted(262_145);
  const leaf = (part: Uint8Array): Uint8Array => {
    const size = part.length === 1 ? [1] : [0x80, 0x80, 0x10];
    const unixfs = Buffer.concat([Buffer.from([8, 2, 0x12, ...size]), part, Buffer.from([0x18, ...size])]);
    const length =
      unixfs.length < 128
        ? [unixfs.length]
        : [(unixfs.length & 127) | 128, ((unixfs.length >> 7) & 127) | 128, unixfs.length >> 14];
    return Buffer.concat([Buffer.from([0x0a, ...length]), unixfs]);
  };
  const root = readCid(V0_2015.cid);
  const nodes = [unhex(V0_2015.root)!, leaf(content.subarray(0, 262_144)), leaf(content.subarray(262_144))];
  const held = new Map(nodes.map((node) => [Buffer.from(sha256(node)).toString('hex'), node]));
  const read = await readContent(root, async (cid) => held.get(Buffer.from(cid.multihash.digest).toString('hex'))!);
  t.true(same(read, content));
});

test('what is no file, no CID, or of another hash is refused', async (t) => {
  const code = (cid: string) => {
    try {
      readCid(cid);
      return 'read';
    } catch (error) {
      return (error as Refusal).code;
    }
  };
  t.is(code('hello'), 'BAD_REQUEST');
  t.is(code('b'.repeat(200)), 'BAD_REQUEST');
  t.is(code('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'), 'UNSUPPORTED'); // dag-cbor
  t.is(code('bafkqaaa'), 'UNSUPPORTED'); // identity
  t.is(code(V1_2025[5]![1]), 'read');
  const folder = Buffer.from([0x0a, 2, 8, 1]); // UnixFS type 1, no links
  const { cid } = (await import('@countersign/broker/store/blocks')).blockOf(sha256, 0x70, folder);
  await t.throwsAsync(
    readContent(cid, async () => folder),
    refusal('UNSUPPORTED'),
  );
  for (const broken of [[0x0a, 9, 8, 2], [0x0a, 2, 8], [0xff], [0x0a, 4, 8, 2, 0x18, 5], [0x12, 2, 0x0a, 9]]) {
    await t.throwsAsync(
      readContent(cid, async () => Uint8Array.from(broken)),
      { instanceOf: Refusal },
    );
  }
});

test('a CAR comes back whole; one that was cut, changed or lacks a block is refused', async (t) => {
  const content = counted(LEAF_BYTES + 1000);
  const { root, blocks } = unixfsBlocks(sha256, content);
  const car = Buffer.concat(await carOf(root, among(blocks)).toArray());
  const read = await blocksOfCar(sha256, Readable.from([car]));
  t.deepEqual(read.roots.map(String), [root.toString()]);
  t.true(same(await readContent(root, read.get), content));
  const parts = (bytes: Uint8Array) => Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]);
  await t.throwsAsync(blocksOfCar(sha256, parts(car.subarray(0, car.length - 1))), refusal('MALFORMED'));
  const changed = Uint8Array.from(car);
  changed[car.length - 1]! ^= 1;
  await t.throwsAsync(blocksOfCar(sha256, parts(changed)), refusal('BAD_STORE'));
  const lacking = await blocksOfCar(sha256, carOf(root, among(blocks), 'block'));
  await t.throwsAsync(readContent(root, lacking.get), refusal('NOT_FOUND'));
});

/** A gateway of ours over a store, with and without a door. */
async function gateway(t: import('ava').ExecutionContext, open: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-ipfs-'));
  const blobs = fileBlobStore(folder, sha256);
  const app = Fastify();
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = answerOf(error);
    return reply.code(status).send(body);
  });
  await app.register(ipfsRoutes(storedBlocks(blobs), open));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { url, blobs };
}

test('the gateway speaks the trustless form, and our client reads it', async (t) => {
  const { url, blobs } = await gateway(t, true);
  const content = counted(2 * LEAF_BYTES + 5);
  const root = await addContent(blobs, sha256, content);
  t.true(same(await fetchContent({ url }, sha256, root), content));
  const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${url}/ipfs/${path}`, { headers });
  const raw = await ask(`${root}?format=raw`);
  t.is(raw.headers.get('content-type'), 'application/vnd.ipld.raw');
  t.is(raw.headers.get('etag'), `"${root}.raw"`);
  t.is(raw.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  t.regex(raw.headers.get('content-disposition')!, /^attachment; filename=".*\.bin"$/);
  t.deepEqual(sha256(new Uint8Array(await raw.arrayBuffer())), root.multihash.digest);
  const car = await ask(`${root}`, { accept: 'application/vnd.ipld.car' });
  t.is(car.headers.get('content-type'), 'application/vnd.ipld.car; version=1; order=dfs; dups=n');
  t.is((await blocksOfCar(sha256, car.body! as unknown as AsyncIterable<Uint8Array>)).blocks.length, 4);
  const one = await ask(`${root}?format=car&dag-scope=block`);
  t.is(one.headers.get('etag'), `"${root}.car.block"`);
  t.is((await blocksOfCar(sha256, one.body! as unknown as AsyncIterable<Uint8Array>)).blocks.length, 1);
  t.is((await ask(`${root}?format=raw`, { 'if-none-match': `W/"x", "${root}.raw"` })).status, 304);
  t.is((await fetch(`${url}/ipfs/${root}?format=raw`, { method: 'HEAD' })).status, 200);
  t.is((await ask('bafkqaaa?format=raw')).status, 200);
  t.is((await ask(`${root}`)).status, 406);
  t.is((await ask(`${root}?format=tar`)).status, 406);
  t.is((await ask(`${root}`, { accept: 'application/vnd.ipld.car; version=2' })).status, 406);
  t.is((await ask(`${root}?format=car&entity-bytes=0:5`)).status, 400);
  t.is((await ask(`${V1_2025[6]![1]}?format=raw`)).status, 404);
  t.is((await ask('hello?format=raw')).status, 400);
});

test('a closed gateway lets no shared cache keep what it gave', async (t) => {
  const { url, blobs } = await gateway(t, false);
  const root = await addContent(blobs, sha256, counted(10));
  const answer = await fetch(`${url}/ipfs/${root}?format=raw`);
  t.is(answer.headers.get('cache-control'), 'private, max-age=31536000, immutable');
});

/** A server that answers as it is told. */
async function answering(t: import('ava').ExecutionContext, answer: (q: IncomingMessage, a: ServerResponse) => void) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('a gateway that breaks off is asked block by block, and one that lies is believed nothing', async (t) => {
  const content = counted(2 * LEAF_BYTES + 5);
  const { root, blocks } = unixfsBlocks(sha256, content);
  const get = among(blocks);
  const car = Buffer.concat(await carOf(root, get).toArray());
  let lie = false;
  const asked: string[] = [];
  const url = await answering(t, async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://x');
    const format = searchParams.get('format')!;
    asked.push(format);
    if (format === 'car') return response.end(car.subarray(0, LEAF_BYTES + 500));
    const bytes = Uint8Array.from(await get(readCid(pathname.slice(6))));
    if (lie) bytes[3]! ^= 1;
    return response.end(bytes);
  });
  t.true(same(await fetchContent({ url }, sha256, root), content));
  t.deepEqual(asked, ['car', 'raw', 'raw']); // root and first leaf had come
  lie = true;
  await t.throwsAsync(fetchContent({ url }, sha256, root), refusal('BAD_STORE'));
  const away = await answering(t, (_, response) => response.writeHead(404).end());
  await t.throwsAsync(fetchContent({ url: away }, sha256, root), refusal('NOT_FOUND'));
  const endless = await answering(t, (_, response) => {
    const more = () => response.write(Buffer.alloc(65_536)) && setImmediate(more);
    response.on('drain', more);
    more();
  });
  await t.throwsAsync(fetchContent({ url: endless }, sha256, blocks[1]!.cid), refusal('TOO_LARGE'));
  await t.throwsAsync(fetchContent({ url: 'http://127.0.0.1:9' }, sha256, root), refusal('UNREACHABLE'));
});

test('an IPFS node gets blocks and a pin by its RPC, and what it says is compared', async (t) => {
  const held = new Map<string, Uint8Array>();
  const pins: string[] = [];
  let wrong = false;
  const url = await answering(t, async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://x');
    const json = (value: unknown) => response.end(JSON.stringify(value));
    if (pathname === '/api/v0/block/put') {
      const form = await new Response(Readable.toWeb(request) as ReadableStream, {
        headers: { 'content-type': request.headers['content-type']! },
      }).formData();
      const bytes = new Uint8Array(await (form.get('data') as Blob).arrayBuffer());
      const codec = searchParams.get('cid-codec') === 'dag-pb' ? 0x70 : 0x55;
      const { cid } = (await import('@countersign/broker/store/blocks')).blockOf(sha256, codec, bytes);
      held.set(cid.toString(), bytes);
      return json({ Key: wrong ? V1_2025[0]![1] : cid.toString(), Size: bytes.length });
    }
    const arg = searchParams.get('arg')!;
    if (pathname === '/api/v0/pin/add') {
      pins.push(arg);
      return json({ Pins: [arg] });
    }
    const bytes = held.get(arg);
    return bytes ? response.end(bytes) : response.writeHead(500).end(JSON.stringify({ Message: 'not found' }));
  });
  const content = counted(LEAF_BYTES + 77);
  const { root, blocks } = unixfsBlocks(sha256, content);
  await pushContent({ url }, root, blocks);
  t.deepEqual(pins, [root.toString()]);
  t.true(same(await readContent(root, blockOfNode({ url }, sha256)), content));
  held.set(blocks[1]!.cid.toString(), new Uint8Array(5));
  await t.throwsAsync(readContent(root, blockOfNode({ url }, sha256)), refusal('BAD_STORE'));
  wrong = true;
  await t.throwsAsync(pushContent({ url }, root, blocks), refusal('BAD_STORE'));
  await t.throwsAsync(pushContent({ url: 'http://127.0.0.1:9' }, root, blocks as Block[]), refusal('UNREACHABLE'));
});
