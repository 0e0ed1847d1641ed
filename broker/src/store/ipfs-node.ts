/**
 * The user's own IPFS node by its RPC (Kubo's /api/v0): content is pushed as blocks and pinned, and fetched block by
 * block. The node is trusted with nothing: what comes from it is checked, and what it claims to have taken is compared.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import type { Sha256 } from '@countersign/device-sdk/format';
import { BLOCK_BYTES_MAX, type Block, type CID, CODEC_DAG_PB, checkBlock, type GetBlock, readCid } from './blocks.ts';

export interface IpfsNode {
  /** Such as `http://127.0.0.1:5001`. The RPC is for its owner alone: never across a network without a proxy. */
  url: string;
  timeoutMs?: number | undefined;
}

/** A block of 2 MiB on a slow line, or a node that looks for one among its peers. */
const TIMEOUT_MS = 60_000;
/** Answers of the RPC are a line of JSON. */
const ANSWER_BYTES_MAX = 64 * 1024;

/** Puts all blocks, then pins the root. @throws Refusal UNREACHABLE; BAD_STORE where the node names other CIDs */
export async function pushContent(node: IpfsNode, root: CID, blocks: readonly Block[]): Promise<void> {
  for (const { cid, bytes } of blocks) {
    const codec = cid.code === CODEC_DAG_PB ? 'dag-pb' : 'raw';
    const form = new FormData();
    form.append('data', new Blob([new Uint8Array(bytes)]));
    const query = { 'cid-codec': codec, mhtype: 'sha2-256', pin: 'false' };
    const { Key } = await answer(node, 'block/put', query, form);
    const same = typeof Key === 'string' && readCid(Key).equals(cid);
    demand(same, 'BAD_STORE', `${node.url} stored block ${cid} as ${String(Key)}`);
  }
  // Recursive: the node walks down from the root, and says no where a block is missing.
  const { Pins } = await answer(node, 'pin/add', { arg: root.toString(), recursive: 'true' });
  const pinned = Array.isArray(Pins) && Pins.some((pin) => typeof pin === 'string' && readCid(pin).equals(root));
  demand(pinned, 'BAD_STORE', `${node.url} did not pin ${root}`);
}

/** @throws Refusal UNREACHABLE, BAD_STORE, TOO_LARGE */
export function blockOfNode(node: IpfsNode, sha256: Sha256): GetBlock {
  return async (cid) =>
    checkBlock(sha256, cid, await call(node, 'block/get', { arg: cid.toString() }, BLOCK_BYTES_MAX));
}

async function answer(node: IpfsNode, method: string, query: Record<string, string>, form?: FormData) {
  const bytes = await call(node, method, query, ANSWER_BYTES_MAX, form);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch (cause) {
    throw new Refusal('UNREACHABLE', `${node.url} answers ${method} with something else than JSON`, { cause });
  }
}

async function call(
  { url, timeoutMs }: IpfsNode,
  method: string,
  query: Record<string, string>,
  bytesMax: number,
  body?: FormData,
): Promise<Uint8Array> {
  const address = new URL(`/api/v0/${method}?${new URLSearchParams(query)}`, url);
  try {
    const signal = AbortSignal.timeout(timeoutMs ?? TIMEOUT_MS);
    const post = () => fetch(address, { method: 'POST', body: body ?? null, signal, redirect: 'error' });
    // A node closes idle connections without a word. All calls here may be made twice.
    const response = await post().catch(() => post());
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      demand(bytes <= bytesMax, 'TOO_LARGE', `${url} answers ${method} with more than ${bytesMax} bytes`);
      parts.push(part);
    }
    const whole = new Uint8Array(Buffer.concat(parts));
    if (response.status === 200) return whole;
    const text = `${url} answers ${response.status} to ${method}: ${new TextDecoder().decode(whole).slice(0, 200)}`;
    throw new Refusal(response.status === 404 ? 'NOT_FOUND' : 'UNREACHABLE', text);
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('UNREACHABLE', `${url} does not answer ${method}`, { cause });
  }
}
