import {
  ALG_ESP256,
  type ImplicitKey,
  implicitPublicKey,
  type PublicKey,
  type Sha256,
  type Signer,
} from '@countersign/device-sdk/format';
import { signWith } from '@countersign/device-sdk/host/crypto';

/** Signs with an issued key; statements then name it by the thumbprint of its certificate. The secret is not kept open. */
export function implicitSigner(sha256: Sha256, key: ImplicitKey, centre: PublicKey, secret: Uint8Array): Signer {
  const sign = signWith(ALG_ESP256, secret);
  return { alg: ALG_ESP256, publicKey: implicitPublicKey(sha256, key, centre).bytes, sign: async (m) => sign(m) };
}
