// A Helia node behind the few calls of Kubo's RPC that countersign makes: Helia itself has no RPC.
import { createServer } from 'node:http';
import { createHelia } from 'helia';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';

const helia = await createHelia({ start: false });
const bytesOf = async (cid) => {
  const parts = [];
  const got = await helia.blockstore.get(cid, { offline: true });
  if (got instanceof Uint8Array) return got;
  for await (const part of got) parts.push(part);
  return Buffer.concat(parts);
};
const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const json = (value) => response.end(JSON.stringify(value));
  try {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (pathname === '/api/v0/block/put') {
      const form = await new Response(Buffer.concat(parts), {
        headers: { 'content-type': request.headers['content-type'] },
      }).formData();
      const bytes = new Uint8Array(await form.get('data').arrayBuffer());
      const cid = CID.createV1(searchParams.get('cid-codec') === 'dag-pb' ? 0x70 : 0x55, await sha256.digest(bytes));
      await helia.blockstore.put(cid, bytes);
      return json({ Key: cid.toString(), Size: bytes.length });
    }
    if (pathname === '/api/v0/pin/add') {
      const root = CID.parse(searchParams.get('arg'));
      // Helia walks the tree with its own dag-pb: a link that it cannot read or a block that is missing is an error here.
      for await (const _ of helia.pins.add(root, { signal: AbortSignal.timeout(5000) })) {
      }
      return json({ Pins: [root.toString()] });
    }
    if (pathname === '/api/v0/block/get') return response.end(await bytesOf(CID.parse(searchParams.get('arg'))));
    if (pathname.startsWith('/ipfs/') && searchParams.get('format') === 'raw') {
      return response.end(await bytesOf(CID.parse(pathname.slice(6))));
    }
    response.writeHead(406).end();
  } catch (error) {
    response.writeHead(500).end(JSON.stringify({ Message: String(error) }));
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
