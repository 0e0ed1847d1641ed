/**
 * The retained newest head for gateways and auditors: [1, bstr signed head, bstr root, [[peer kid, alg, signature] …]].
 * The signed head carries its root detached, so the root stands beside it; both are checked by whoever reads them.
 */
import { demand } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  type Cosignature,
  decode,
  encode,
  HASH_BYTES,
  readCosignatures,
  readHead,
  type SignedHead,
  type Value,
} from '@countersign/device-sdk/format';

export interface HeadMessage {
  signed: Uint8Array;
  root: Uint8Array;
  cosignatures: Cosignature[];
}

export function encodeHeadMessage({ signed, root, cosignatures }: HeadMessage): Uint8Array {
  return encode([1, signed, root, cosignatures.map((item): Value => [item.kid, item.alg, item.signature])]);
}

/** Shape only: see `verifyHead`. @throws Refusal MALFORMED, UNSUPPORTED */
export function readHeadMessage(bytes: Uint8Array): HeadMessage & { head: SignedHead } {
  const [version, signed, root, cosignatures] = asArray(decode(bytes), 'head message', 4);
  demand(version === 1, 'UNSUPPORTED', `head message version ${String(version)}`);
  const head = asBytes(signed, 'signed head');
  return {
    signed: head,
    head: readHead(head),
    root: asBytes(root, 'root', HASH_BYTES),
    cosignatures: readCosignatures(cosignatures),
  };
}
