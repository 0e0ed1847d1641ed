/** The work of the `blobs` verbs. */
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { type CID, CODEC_RAW, type GetBlock, readCid, storedBlocks } from '../../store/blocks.ts';
import { among, blocksOfCar, carOf } from '../../store/car.ts';
import { writeDurable } from '../../store/durable.ts';
import { BLOB_BYTES_MAX, fileBlobStore } from '../../store/file-blobs.ts';
import { blockOfNode, pushContent } from '../../store/ipfs-node.ts';
import { fetchContent } from '../../store/trustless.ts';
import { readContent, UNIXFS_PROFILE, unixfsBlocks, walk } from '../../store/unixfs.ts';
import { serverFolder } from '../up/folders.ts';
import { readInput } from './connect.ts';
import { type Outcome, WrongUse } from './program.ts';

const { sha256 } = nodeVerifier();

export async function cidOfFile(file: string): Promise<Outcome> {
  const bytes = await readContentFile(file);
  const { root, blocks } = unixfsBlocks(sha256, bytes);
  const json = { cid: root.toString(), profile: UNIXFS_PROFILE, bytes: bytes.length, blocks: blocks.length };
  return { json, text: json.cid };
}

export async function exportCar(what: string, data: string | undefined, out: string): Promise<Outcome> {
  const { root, get } = await contentOf(what, data);
  await pipeline(carOf(root, get), createWriteStream(out));
  const { size } = await stat(out);
  return { json: { cid: root.toString(), file: out, bytes: size }, text: `${root}  ${out}, ${size} bytes` };
}

/** All roots must be whole: half a content would be offered as if it were one. */
export async function importCar(car: string, data: string): Promise<Outcome> {
  await readable(car);
  const { roots, get } = await blocksOfCar(sha256, createReadStream(car));
  demand(roots.length > 0, 'MALFORMED', `${car} names no root`);
  const blobs = fileBlobStore(serverFolder(data, 'collection'), sha256);
  const contents: { cid: string; bytes: number }[] = [];
  for (const root of roots) {
    const content = await readContent(root, get);
    const blocks: Uint8Array[] = [];
    for await (const { bytes } of walk(root, get)) blocks.push(bytes);
    for (const block of blocks.reverse()) await blobs.put(block);
    await blobs.put(content);
    contents.push({ cid: root.toString(), bytes: content.length });
  }
  return { json: { contents }, text: contents.map(({ cid, bytes }) => `${cid}  ${bytes} bytes`).join('\n') };
}

export async function fetchTo(
  text: string,
  from: { gateway: string | undefined; ipfs: string | undefined; tokenFile: string | undefined },
  out: string,
): Promise<Outcome> {
  const cid = readCid(text);
  const token = from.tokenFile && new TextDecoder().decode(await readInput(from.tokenFile)).trim();
  const content =
    from.gateway !== undefined
      ? await fetchContent({ url: address(from.gateway), token }, sha256, cid)
      : await readContent(cid, blockOfNode({ url: address(from.ipfs!) }, sha256));
  await writeDurable(out, content);
  return { json: { cid: text, file: out, bytes: content.length }, text: `${out}, ${content.length} bytes` };
}

export async function push(what: string, data: string | undefined, ipfs: string): Promise<Outcome> {
  const { root, get } = await contentOf(what, data);
  const blocks: { cid: CID; bytes: Uint8Array }[] = [];
  for await (const { cid, bytes } of walk(root, get)) blocks.push({ cid, bytes });
  await pushContent({ url: address(ipfs) }, root, blocks);
  return { json: { cid: root.toString(), blocks: blocks.length }, text: `${root} pinned, ${blocks.length} blocks` };
}

/** A file of this machine, or a CID among the blobs of --data. */
async function contentOf(what: string, data: string | undefined): Promise<{ root: CID; get: GetBlock }> {
  if (existsSync(what)) {
    const { root, blocks } = unixfsBlocks(sha256, await readContentFile(what));
    return { root, get: among(blocks) };
  }
  if (data === undefined) throw new WrongUse(`${what} is no file here; a CID is looked for in --data DIR`);
  const blobs = fileBlobStore(serverFolder(data, 'collection'), sha256);
  const root = readCid(what);
  const { digest } = root.multihash;
  if (root.code !== CODEC_RAW || !(await blobs.has(digest))) return { root, get: storedBlocks(blobs) };
  // The content id of a large image names all of it; IPFS knows it by the root of its tree.
  const tree = unixfsBlocks(sha256, await blobs.blob(digest));
  return { root: tree.root, get: among(tree.blocks) };
}

async function readContentFile(file: string): Promise<Uint8Array> {
  const { size } = await readable(file);
  demand(size <= BLOB_BYTES_MAX, 'TOO_LARGE', `${file} has ${size} bytes, at most ${BLOB_BYTES_MAX}`);
  return readInput(file);
}

async function readable(file: string) {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new Refusal('NOT_FOUND', `${file} is not a file that can be read`);
  return found;
}

function address(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new WrongUse(`${url} is no http address`);
  return url;
}
