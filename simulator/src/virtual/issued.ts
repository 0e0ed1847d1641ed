/**
 * Keys of the two signers from a key generation centre, all of them from the seed. Signatures must be a function of key and
 * message, so that one seed is one log: RFC 6979, which node:crypto has not. Servers and devices verify them with node:crypto.
 */
import { finishKey, issueShare } from '@countersign/broker/keys/kgc/ecqv';
import { possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import { bigEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { bytes32, compressed, P256_ORDER } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  IMPLICIT_ROLES,
  type ImplicitKey,
  type ImplicitKeys,
  type ImplicitRole,
  implicitPublicKey,
  implicitThumbprint,
  NONCE_BYTES,
  type PublicKey,
  type Sha256,
  type Signer,
  signStatement,
  thumbprint,
} from '@countersign/device-sdk/format';
import { type KeyPair, publicKeyOf } from '@countersign/device-sdk/host/crypto';
import { Prng } from '@countersign/device-sdk/rig';
import { p256 } from '@noble/curves/nist.js';

export interface VirtualIssuance {
  implicit: ImplicitKeys;
  signers: Record<ImplicitRole, Signer>;
}

/** @param seed whoever knows it knows every key, the centre's too */
export function issueAll(sha256: Sha256, seed: string): VirtualIssuance {
  const centre = pairOf(seed, 'centre');
  const centreKey = { alg: ALG_ESP256, bytes: centre.publicKey };
  const issued = IMPLICIT_ROLES.map((role) => issueOne(sha256, seed, role, centre, centreKey));
  return {
    implicit: { centres: [centreKey], keys: issued.map(({ key }) => key) },
    signers: Object.fromEntries(issued.map(({ key, signer }) => [key.role, signer])) as Record<ImplicitRole, Signer>,
  };
}

/** What the ledger wants to see with an identity's point. */
export function possessionOf(sha256: Sha256, seed: string, signer: Signer): Promise<Uint8Array> {
  const nonce = new Prng(seed, 'nonce', signer.publicKey.join()).bytes(NONCE_BYTES);
  return signStatement(sha256, 'possession', possessionValue(nonce), signer);
}

function issueOne(sha256: Sha256, seed: string, role: ImplicitRole, centre: KeyPair, centreKey: PublicKey) {
  const request = pairOf(seed, 'request', role);
  const identity = { role, name: 'virtual', epoch: 1, centre: thumbprint(sha256, centreKey) };
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { ...identity, point });
  const fresh = () => pairOf(seed, 'share', role);
  const share = issueShare(compressed(request.publicKey), centre, hashOf, fresh);
  const { secret } = finishKey(request.secret, share, hashOf(share.point), centre.publicKey);
  const key: ImplicitKey = { ...identity, point: share.point };
  const { bytes } = implicitPublicKey(sha256, key, centreKey);
  const signer: Signer = { alg: ALG_ESP256, publicKey: bytes, sign: async (message) => p256.sign(message, secret) };
  return { key, signer };
}

function pairOf(seed: string, ...names: string[]): KeyPair {
  const drawn = bigEndian(new Prng(seed, 'kgc', ...names).bytes(32));
  // A scalar from 1 to n - 1, whatever is drawn.
  const secret = bytes32((drawn % (P256_ORDER - 1n)) + 1n);
  return { alg: ALG_ESP256, secret, publicKey: publicKeyOf(ALG_ESP256, secret) };
}
