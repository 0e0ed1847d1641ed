/**
 * Content from a trustless gateway: anybody's, since every block is checked. Source: IPFS Trustless Gateway
 * specification. One CAR first; a gateway that sends none, or not all of it, is asked block by block.
 */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import type { Sha256 } from '@countersign/device-sdk/format';
import { BLOCK_BYTES_MAX, type Block, type CID, checkBlock, type GetBlock } from './blocks.ts';
import { among, readCar } from './car.ts';
import { readContent } from './unixfs.ts';

export interface Gateway {
  url: string;
  /** For a server of ours that asks for one. */
  token?: string | undefined;
  /** Milliseconds for one answer. */
  timeoutMs?: number | undefined;
}

/** 64 MB at 1 MB a second. */
const TIMEOUT_MS = 64_000;

/** @throws Refusal NOT_FOUND, UNREACHABLE, BAD_STORE for other bytes, MALFORMED, TOO_LARGE, UNAUTHORIZED */
export async function fetchContent(gateway: Gateway, sha256: Sha256, root: CID): Promise<Uint8Array> {
  const blocks = await carBlocks(gateway, sha256, root);
  const [held, single] = [among(blocks), blockFrom(gateway, sha256)];
  const get: GetBlock = async (cid) => {
    try {
      return await held(cid);
    } catch (error) {
      if (codeOf(error) !== 'NOT_FOUND') throw error;
      return single(cid);
    }
  };
  return readContent(root, get);
}

/** One block at a time. */
export function blockFrom(gateway: Gateway, sha256: Sha256): GetBlock {
  return async (cid) => {
    const response = await ask(gateway, cid, 'raw');
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of bodyOf(gateway, response)) {
      bytes += part.length;
      demand(bytes <= BLOCK_BYTES_MAX, 'TOO_LARGE', `${gateway.url} sends more than a block for ${cid}`);
      parts.push(part);
    }
    return checkBlock(sha256, cid, new Uint8Array(Buffer.concat(parts)));
  };
}

/** What came of a CAR before it broke off: a gateway may end one in the middle. Lies are not forgiven. */
async function carBlocks(gateway: Gateway, sha256: Sha256, root: CID): Promise<Block[]> {
  const blocks: Block[] = [];
  try {
    const response = await ask(gateway, root, 'car');
    for await (const block of readCar(sha256, bodyOf(gateway, response))) blocks.push(block);
  } catch (error) {
    const code = codeOf(error);
    if (!['MALFORMED', 'UNSUPPORTED', 'UNREACHABLE'].includes(code)) throw error;
  }
  return blocks;
}

const TYPES = { raw: 'application/vnd.ipld.raw', car: 'application/vnd.ipld.car' } as const;

async function ask({ url, token, timeoutMs }: Gateway, cid: CID, format: 'raw' | 'car'): Promise<Response> {
  const address = new URL(`/ipfs/${cid}?format=${format}`, url);
  const headers: Record<string, string> = { accept: TYPES[format] };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  let response: Response;
  try {
    const signal = AbortSignal.timeout(timeoutMs ?? TIMEOUT_MS);
    // A public gateway sends its visitors to a name of their own; our token would go along, so then never.
    response = await fetch(address, { headers, signal, redirect: token === undefined ? 'follow' : 'error' });
  } catch (cause) {
    throw new Refusal('UNREACHABLE', `${url} does not answer for ${cid}`, { cause });
  }
  if (response.status === 200) return response;
  await response.body?.cancel();
  const text = `${url} answers ${response.status} for ${cid}`;
  if (response.status === 404 || response.status === 410) throw new Refusal('NOT_FOUND', text);
  if (response.status === 401 || response.status === 403) throw new Refusal('UNAUTHORIZED', text);
  throw new Refusal(response.status === 406 || response.status === 400 ? 'UNSUPPORTED' : 'UNREACHABLE', text);
}

async function* bodyOf({ url }: Gateway, response: Response): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of response.body ?? []) yield part;
  } catch (cause) {
    throw new Refusal('UNREACHABLE', `${url} broke off`, { cause });
  }
}
