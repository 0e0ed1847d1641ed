/** Trust roots of the pocket publisher: each next one signed by whoever is named, which need not be enough. */
import {
  encodeRoot,
  encodeSignedRoot,
  type Signer,
  signDetached,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { sha256 } from './verifier.ts';

/** What a publisher has of roots: the newest, its bytes, and every version from 1 on. */
export interface Rooted {
  readonly root: TrustRoot;
  rootBytes: Uint8Array;
  readonly roots: Uint8Array[];
  readonly signers: { root: Signer };
}

/** @param by whose keys sign it, each as often as it stands there */
export async function signRoot(root: TrustRoot, by: readonly Signer[]): Promise<Uint8Array> {
  const payload = encodeRoot(root);
  const signatures: Uint8Array[] = [];
  for (const signer of by) signatures.push(await signDetached(sha256, 'root', payload, signer));
  return encodeSignedRoot(payload, signatures);
}

/**
 * The next version: from now on it is in every head, and the server answers with it.
 * @param by left out: the one root key that the server has
 */
export async function rotate(
  server: Rooted,
  change: Partial<TrustRoot> = {},
  by: readonly Signer[] = [server.signers.root],
): Promise<Uint8Array> {
  Object.assign(server.root, { version: server.root.version + 1, ...change });
  server.rootBytes = await signRoot(server.root, by);
  server.roots.push(server.rootBytes);
  return server.rootBytes;
}
