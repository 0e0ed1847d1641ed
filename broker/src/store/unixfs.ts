/**
 * Content as IPFS has it: profile `unixfs-v1-2025` (IPIP-499): CIDv1, sha2-256, raw leaves of 1 MiB, at most 1,024 links
 * to a node. Up to 1 MiB the CID is the raw CID of the whole, which is the content id in the ledger.
 */
import { demand } from '@countersign/device-sdk';
import { concat, type Sha256 } from '@countersign/device-sdk/format';
import type { BlobStore } from './blobs.ts';
import { type Block, blockOf, type CID, CODEC_DAG_PB, CODEC_RAW, checkKind, type GetBlock } from './blocks.ts';
import { encodeFileNode, type FileNode, readFileNode } from './dag-pb.ts';
import { BLOB_BYTES_MAX } from './file-blobs.ts';

export const UNIXFS_PROFILE = 'unixfs-v1-2025';
export const LEAF_BYTES = 1024 * 1024;
/** Largest blob over largest leaf is 64: one node has room for all leaves, and there is never a second level. */
const LINKS_MAX = 1_024;
/** Other profiles build deeper trees of smaller leaves. 174 links to a node reach 64 MB of 256 KiB leaves in two steps. */
const DEPTH_MAX = 8;
/** 64 MB in leaves of 4 KB, which nobody makes smaller, and the nodes above them. */
export const BLOCKS_MAX = 20_000;

/** The blocks of a content, root first, and its CID. @throws Refusal TOO_LARGE */
export function unixfsBlocks(sha256: Sha256, content: Uint8Array): { root: CID; blocks: Block[] } {
  demand(content.length <= BLOB_BYTES_MAX, 'TOO_LARGE', `${content.length} bytes, at most ${BLOB_BYTES_MAX}`);
  const leaves: Block[] = [];
  for (let at = 0; at === 0 || at < content.length; at += LEAF_BYTES) {
    leaves.push(blockOf(sha256, CODEC_RAW, content.subarray(at, at + LEAF_BYTES)));
  }
  if (leaves.length === 1) return { root: leaves[0]!.cid, blocks: leaves };
  if (leaves.length > LINKS_MAX) throw new RangeError(`${leaves.length} leaves in one node`);
  const links = leaves.map(({ cid, bytes }) => ({ cid, bytes: bytes.length }));
  const node = blockOf(sha256, CODEC_DAG_PB, encodeFileNode(links));
  return { root: node.cid, blocks: [node, ...leaves] };
}

/** Puts a content's blocks into a store, so that it can be had block by block. @returns its CID */
export async function addContent(blobs: Pick<BlobStore, 'put'>, sha256: Sha256, content: Uint8Array): Promise<CID> {
  const { root, blocks } = unixfsBlocks(sha256, content);
  // The root last: where it is, everything below it is.
  for (const { bytes } of blocks.toReversed()) await blobs.put(bytes);
  return root;
}

/**
 * Every block of a file in depth-first order, root first.
 * @param get gives checked blocks
 * @throws Refusal NOT_FOUND, MALFORMED, UNSUPPORTED, TOO_LARGE
 */
export async function* walk(root: CID, get: GetBlock): AsyncGenerator<Block & { node: FileNode | undefined }> {
  let [blocks, bytes] = [0, 0];
  const down = async function* (cid: CID, depth: number): AsyncGenerator<Block & { node: FileNode | undefined }> {
    demand(depth <= DEPTH_MAX, 'TOO_LARGE', `${root} is deeper than ${DEPTH_MAX} nodes`);
    demand(++blocks <= BLOCKS_MAX, 'TOO_LARGE', `${root} has more than ${BLOCKS_MAX} blocks`);
    const block = await get(checkKind(cid));
    const node = cid.code === CODEC_DAG_PB ? readFileNode(block) : undefined;
    bytes += node ? node.data.length : block.length;
    demand(bytes <= BLOB_BYTES_MAX, 'TOO_LARGE', `${root} has more than ${BLOB_BYTES_MAX} bytes`);
    yield { cid, bytes: block, node };
    for (const link of node?.links ?? []) yield* down(link.cid, depth + 1);
  };
  yield* down(root, 0);
}

/** The content under a CID of any profile. @throws Refusal as {@link walk} */
export async function readContent(root: CID, get: GetBlock): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let promised: number | undefined;
  for await (const { bytes, node } of walk(root, get)) {
    promised ??= node?.bytes;
    parts.push(node ? node.data : bytes);
  }
  const content = concat(...parts);
  const whole = promised === undefined || promised === content.length;
  demand(whole, 'MALFORMED', `${root} promises ${promised} bytes and has ${content.length}`);
  return content;
}
