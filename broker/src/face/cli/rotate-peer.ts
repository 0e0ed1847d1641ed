/** Which peer's key `keys rotate peer` replaces. Every peer has one of its own, and those of the others stay. */
import { existsSync } from 'node:fs';
import { demand, type Verifier } from '@countersign/device-sdk';
import { equal, hex, kidOf, type PublicKey, type TrustRoot } from '@countersign/device-sdk/format';
import { activeKeys } from '../../keys/next-root.ts';
import { openKeyRing } from '../../keys/ring.ts';
import { keysFolder } from '../up/folders.ts';
import { WrongUse } from './program.ts';

/**
 * @param name key id in hex, also as the end of the name under which the peer cosigns; not needed where there is one peer
 * @param folder the peer's own one, where its next key is made; undefined where its public key came in a file
 * @throws Refusal NOT_FOUND where the root has no such peer; BAD_REQUEST where the folder is another peer's; BAD_STORE
 */
export async function replacedPeer(
  verifier: Verifier,
  root: TrustRoot,
  name: string | undefined,
  folder: string | undefined,
  passphrase: string | undefined,
): Promise<PublicKey> {
  const peers = activeKeys(verifier, root, 'peer');
  const kid = (key: PublicKey) => hex(kidOf(verifier.sha256, key));
  const none = `trust root ${root.version} names no peer: countersign keys root next --add FILE --threshold peer=N`;
  demand(peers.length > 0, 'NOT_FOUND', none);
  const all = peers.map(kid).join(', ');
  const named = name === undefined ? undefined : peers.find((key) => kid(key) === kidIn(name));
  if (name !== undefined) demand(named, 'NOT_FOUND', `trust root ${root.version} has no peer ${name}, only ${all}`);
  const own = folder === undefined ? undefined : await keyInForce(verifier, root, folder, passphrase);
  // The next key of one peer in the place of another one's would cost the quorum a peer, and give the first one two voices.
  const agree = !named || !own || equal(named.bytes, own.bytes);
  demand(agree, 'BAD_REQUEST', `${folder} is the folder of peer ${own && kid(own)}, not of ${name}`);
  const replaced = named ?? own ?? (peers.length === 1 ? peers[0] : undefined);
  if (!replaced) throw new WrongUse(`say which peer: countersign keys rotate peer KEY-ID, one of ${all}`);
  return replaced;
}

function kidIn(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1).toLowerCase();
}

/** Undefined where the root names no key of this folder. */
async function keyInForce(
  verifier: Verifier,
  root: TrustRoot,
  folder: string,
  passphrase: string | undefined,
): Promise<PublicKey | undefined> {
  const keys = keysFolder(folder, 'peer');
  if (!existsSync(keys)) return undefined;
  const ring = await openKeyRing(keys, ['peer'], { passphrase });
  const without = await ring.adopt(root);
  const key = ring.publicKey('peer');
  const active = activeKeys(verifier, root, 'peer').some(({ bytes }) => equal(bytes, key.bytes));
  return without.length === 0 && active ? key : undefined;
}
