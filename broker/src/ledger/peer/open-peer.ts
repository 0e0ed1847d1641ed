import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { createChain, hasChain, openChain } from './chain.ts';
import { cosignedFile } from './cosigned-file.ts';
import { CosignedHeads } from './cosigned-heads.ts';
import { openCosigner } from './cosigner.ts';
import { openEvidence } from './evidence.ts';
import { Follower } from './follower.ts';
import { holdings } from './holdings.ts';
import type { PeerLink } from './link.ts';
import type { Peer, PeerOptions } from './peer.ts';

/**
 * Opens the copy, or makes it from the orderer's first block, and follows.
 * @throws Refusal UNREACHABLE where there is no copy yet and no source answers; BAD_ROOT, BAD_STORE, LOCKED, TORN and
 * other codes of a damaged copy
 */
export async function openPeer(options: PeerOptions): Promise<Peer> {
  const { dir, verifier, trustRoot } = options;
  if (!hasChain(dir)) await createChain(dir, await firstBlock(options.links), trustRoot, verifier);
  const chain = await openChain(dir, trustRoot, verifier);
  try {
    const { inside } = chain.ledger;
    const now = options.now ?? (() => Math.floor(Date.now() / 1000));
    const file = cosignedFile(join(dir, 'ledger'));
    const heads = await CosignedHeads.open({ inside, verifier, file, names: false });
    const { signer, witnessed } = options;
    const cosigner = await openCosigner(join(dir, 'peer', 'cosigned.cbor'), signer, {
      inside,
      verifier,
      now,
      witnessed,
    });
    const evidence = await openEvidence(join(dir, 'peer', 'evidence'));
    const content = holdings({ ledger: chain.ledger, store: options.store, sources: options.contents, verifier });
    const follower = new Follower({ ...options, chain, heads, cosigner, evidence, content, now });
    follower.begin();
    return follower;
  } catch (error) {
    await chain.ledger.close();
    throw error;
  }
}

async function firstBlock(links: readonly PeerLink[]): Promise<Uint8Array> {
  let first: unknown;
  for (const link of links) {
    try {
      const [block] = (await link.blocks(0, 1, 0)).blocks;
      if (block) return block;
    } catch (error) {
      first ??= error;
    }
  }
  throw first ?? new Refusal('UNREACHABLE', 'nobody gives block 0');
}
