/** Whether a peer of the trust root in force signed a head. */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  type Cosignature,
  findKey,
  type Head,
  hex,
  kidOf,
  revokedFrom,
  type SignedHead,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { cosignedBytes } from '@countersign/device-sdk/verify';

/** @throws Refusal UNKNOWN_KEY, REVOKED, BAD_SIGNATURE */
export function checkCosignature(verifier: Verifier, root: TrustRoot, head: Head, read: SignedHead): Cosignature {
  const key = findKey(verifier.sha256, root, 'peer', read.kid);
  demand(key, 'UNKNOWN_KEY', `the trust root lists no peer ${hex(read.kid)}`);
  demand(revokedFrom(verifier.sha256, root, key) === undefined, 'REVOKED', `peer ${hex(read.kid)} is revoked`);
  const item: Cosignature = { kid: kidOf(verifier.sha256, key), alg: read.alg, signature: read.sign1.signature };
  demand(isCosignature(verifier, root, head, item), 'BAD_SIGNATURE', `peer ${hex(read.kid)} did not sign this head`);
  return item;
}

/** The same as an answer, for cosignatures that come in a bundle of them. */
export function isCosignature(verifier: Verifier, root: TrustRoot, head: Head, item: Cosignature): boolean {
  const key = findKey(verifier.sha256, root, 'peer', item.kid);
  const good = key && key.alg === item.alg && revokedFrom(verifier.sha256, root, key) === undefined;
  return !!good && verifier.verify(key.alg, key.bytes, cosignedBytes(head, item), item.signature);
}
