/** A key generation centre in memory, honest or not, and a publisher whose two signers have their keys from it. */
import { finishKey, issueShare, type Share } from '@countersign/broker/keys/kgc/ecqv';
import { implicitSigner } from '@countersign/broker/keys/kgc/signer';
import { identityDigest, issueKeyArgs, possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import { bigEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { hashToScalar } from '@countersign/device-sdk/crypto/ecqv';
import { bytes32, compressed, P256_ORDER } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  hex,
  type Identity,
  type ImplicitKey,
  type ImplicitKeys,
  implicitKeysValue,
  implicitThumbprint,
  type PublicKey,
  type Signer,
  signStatement,
  type TrustRoot,
  thumbprint,
  transactionValue,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair, type KeyPair } from '@countersign/device-sdk/host/crypto';
import { PocketServer } from './pocket/publisher.ts';
import { sha256 } from './pocket/verifier.ts';

export interface Centre {
  pair: KeyPair;
  publicKey: PublicKey;
}

export interface Issued {
  key: ImplicitKey;
  signer: Signer;
  object: Uint8Array;
  /** Arguments of `issueKey`. */
  args: Value;
  /** What the centre has seen of it. */
  share: Share;
}

export function newCentre(): Centre {
  const pair = generateKeyPair(ALG_ESP256);
  return { pair, publicKey: { alg: pair.alg, bytes: pair.publicKey } };
}

/** Request, issue and finish in one process; asked twice for one identity, it gives two points. */
export async function issueTo({ pair, publicKey }: Centre, identity: Identity): Promise<Issued> {
  const request = generateKeyPair(ALG_ESP256);
  const keyOf = (point: Uint8Array) => ({ ...identity, centre: thumbprint(sha256, publicKey), point });
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, keyOf(point));
  const share = issueShare(compressed(request.publicKey), pair, hashOf);
  const key = keyOf(share.point);
  const { secret } = finishKey(request.secret, share, hashOf(share.point), publicKey.bytes);
  const signer = implicitSigner(sha256, key, publicKey, secret);
  const possession = await signStatement(sha256, 'possession', possessionValue(new Uint8Array(16).fill(7)), signer);
  return { key, signer, object: identityDigest(sha256, key), args: issueKeyArgs({ key, possession }), share };
}

/**
 * What the centre can make of a share that it has issued: d = e k + r, where r is its own and k is a guess. It signs
 * under the name of the issued key.
 */
export function forgedSigner({ publicKey }: Centre, { key, share }: Issued): Signer {
  const e = hashToScalar(implicitThumbprint(sha256, key));
  const guess = bigEndian(generateKeyPair(ALG_ESP256).secret);
  return implicitSigner(sha256, key, publicKey, bytes32((e * guess + bigEndian(share.r)) % P256_ORDER));
}

export const C1: Identity = { role: 'collection', name: 'c1', epoch: 1 };
export const D1: Identity = { role: 'distribution', name: 'd1', epoch: 1 };

/** Both signers with their keys from one centre. */
export interface Issuance {
  centre: Centre;
  c1: Issued;
  d1: Issued;
  implicit: ImplicitKeys;
}

let made: Promise<Issuance> | undefined;

/** One for all attacks of a process: nothing of it changes. */
export function issuance(): Promise<Issuance> {
  made ??= newIssuance();
  return made;
}

async function newIssuance(): Promise<Issuance> {
  const centre = newCentre();
  const [c1, d1] = [await issueTo(centre, C1), await issueTo(centre, D1)];
  return { centre, c1, d1, implicit: { centres: [centre.publicKey], keys: [c1.key, d1.key] } };
}

/** The trust root of a pocket server under these keys, which lists no others for the two signers. */
export function implicitRoot({ implicit }: Pick<Issuance, 'implicit'>): Pick<TrustRoot, 'roles' | 'implicit'> {
  const { roles } = new PocketServer().root;
  const listed = (role: Identity['role']) => {
    const keys = implicit.keys.filter((key) => key.role === role);
    return { threshold: 1, keys: [], implicit: keys.map((key) => implicitThumbprint(sha256, key)) };
  };
  return {
    roles: { ...roles, collection: listed('collection'), distribution: listed('distribution') },
    implicit: implicitKeysValue(implicit),
  };
}

/** An `issueKey` of the pocket log; nobody but the contract asks who signed it. */
export async function issueEntry(server: PocketServer, { object, args }: Issued): Promise<Uint8Array> {
  const tx = { channel: server.origin, action: 'issueKey', object, previous: new Uint8Array(32), args };
  return signStatement(sha256, 'tx', transactionValue(tx), server.signers.service);
}

/** What the server says is the `issueKey` of this key. */
export function shows(server: PocketServer, { key }: Issued, entry: Uint8Array): void {
  server.issues.set(hex(implicitThumbprint(sha256, key)), entry);
}
