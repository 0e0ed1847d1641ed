/** A key generation centre in memory, honest or not. */
import { finishKey, issueShare } from '@countersign/broker/keys/kgc/ecqv';
import { implicitSigner } from '@countersign/broker/keys/kgc/signer';
import { identityDigest, issueKeyArgs, possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  type Identity,
  type ImplicitKey,
  implicitThumbprint,
  type PublicKey,
  type Signer,
  signStatement,
  thumbprint,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair, type KeyPair, nodeVerifier } from '@countersign/device-sdk/host/crypto';

const { sha256 } = nodeVerifier();

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
  return { key, signer, object: identityDigest(sha256, key), args: issueKeyArgs({ key, possession }) };
}
