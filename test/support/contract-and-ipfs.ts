/** The published sequence of the smart-contract-and-IPFS system, on a real node and over HTTP: one diff from its making to its use. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipfsRoutes } from '@countersign/broker/face/api/ipfs-routes';
import type { Chain } from '@countersign/broker/ledger/evm/chain';
import { type OrderedEvent, readOrder, startPosition } from '@countersign/broker/ledger/evm/order';
import { type CID, readCid, storedBlocks } from '@countersign/broker/store/blocks';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { fetchContent } from '@countersign/broker/store/trustless';
import { addContent } from '@countersign/broker/store/unixfs';
import Fastify from 'fastify';
import { CID as AnyCid } from 'multiformats/cid';
import { minedNow } from './anvil.ts';

export const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
export const word = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex').padEnd(64, '0')}`;

/** A store with its gateway. */
export async function contentServer() {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-content-'));
  const blobs = fileBlobStore(folder, sha256);
  const app = Fastify();
  await app.register(ipfsRoutes(storedBlocks(blobs), true));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const close = async () => {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { url, close, add: (content: Uint8Array): Promise<CID> => addContent(blobs, sha256, content) };
}

/** Proposes a diff by its CID and lets the nodes vote. @returns gas of both, and the confirmed release */
export async function confirmOnChain(
  chains: { proposer: Chain; voters: readonly Chain[] },
  release: { product: Uint8Array; sequence: number; parent: Uint8Array | undefined; leaf: Uint8Array; cid: CID },
) {
  const { product, sequence, parent = new Uint8Array(), leaf, cid } = release;
  const cids = [`0x${Buffer.from(cid.bytes).toString('hex')}`];
  const { proposer, voters } = chains;
  const args = [word(product), BigInt(sequence), word(parent), word(leaf), word(sha256(leaf)), cids];
  const proposed = await minedNow(proposer, await proposer.send('propose', args));
  const votes = [];
  for (const voter of voters) votes.push(await minedNow(voter, await voter.send('vote', [word(leaf)])));
  return { proposeGas: proposed.gasUsed, voteGas: votes.map(({ gasUsed }) => gasUsed), block: votes.at(-1)!.block };
}

/** What a subscriber does: the contract's events, and of a confirmed release the CID of its diff. */
export async function confirmedContent(chain: Chain, fromBlock: number, leaf: Uint8Array): Promise<CID | undefined> {
  const { events } = await readOrder(chain, await startPosition(chain, fromBlock), 0);
  const of = (name: string) => (event: OrderedEvent) => event.name === name && event.args.release === word(leaf);
  const content = events.find(of('Content'));
  if (!events.some(of('Confirmed')) || !content) return undefined;
  return readCid(AnyCid.decode(Buffer.from(String(content.args.cid).slice(2), 'hex')).toString());
}

export async function fetchDiff(url: string, cid: CID): Promise<Uint8Array> {
  return fetchContent({ url }, sha256, cid);
}
