/** Keys that an adversary brings or has stolen, and what he signs with them. */
import {
  encodeRoot,
  encodeSignedRoot,
  publicKeyOf,
  ROOTS,
  readHead,
  type Signer,
  signDetached,
  signHead,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { altered } from './forge.ts';
import { type PocketServer, verifier } from './pocket/publisher.ts';
import type { Scene } from './scene.ts';

const { sha256 } = verifier;

/** In no trust root. */
export const STRANGER = nodeKeyStore(-19, new Uint8Array(32).fill(99));
export const PEERS = [11, 12, 13].map((seed) => nodeKeyStore(-19, new Uint8Array(32).fill(seed)));

/** A trust root in which so many of three peers must cosign. */
export function quorum(threshold: number) {
  const keys = PEERS.map(publicKeyOf);
  return { peers: { threshold, keys, implicit: [] } };
}

export async function cosigned(s: Scene, peers: readonly Signer[]): Promise<Uint8Array> {
  return altered(s, async () => ({
    cosignatures: await Promise.all(peers.map((peer) => cosignature(s.server, peer))),
  }));
}

async function cosignature(server: PocketServer, peer: Signer) {
  const { kid, alg, sign1 } = readHead(await signHead(sha256, server.head(), peer));
  return { kid, alg, signature: sign1.signature };
}

/** The server answers with a next trust root, signed by these; the announcement is under its version. */
export async function rotated(
  { server, victim }: Scene,
  by: readonly Signer[],
  root: PocketServer['root']['roles']['root'],
  change: Partial<PocketServer['root']> = {},
): Promise<Uint8Array> {
  const next = { ...server.root, version: server.root.version + 1, roles: { ...server.root.roles, root }, ...change };
  const payload = encodeRoot(next);
  const signatures = await Promise.all(by.map((signer) => signDetached(sha256, 'root', payload, signer)));
  const bytes = encodeSignedRoot(payload, signatures);
  const { lie } = victim;
  victim.lie = (answer, request) => (answer.kind === ROOTS ? { ...answer, roots: [bytes] } : lie(answer, request));
  server.root.version = next.version;
  return server.announcement();
}
