/** A key generation centre: it issues for the identities on its list, one point each, and never sees a private key. */
import { randomBytes } from 'node:crypto';
import { demand } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  hex,
  type Identity,
  implicitThumbprint,
  NONCE_BYTES,
  type PublicKey,
  type Sha256,
  thumbprint,
} from '@countersign/device-sdk/format';
import type { KeyPair } from '@countersign/device-sdk/host/crypto';
import { serial } from '../../ledger/serial.ts';
import { issueShare } from './ecqv.ts';
import { findIdentity, type IssuedShare, opens, recordIssued } from './list.ts';

export interface Centre {
  readonly publicKey: PublicKey;
  /**
   * @param request the requester's point, compressed
   * @throws Refusal UNAUTHORIZED, alike for an identity that is not on the list and for another token than its own; EXISTS
   * where another request was answered for this identity; BAD_KEY for a request that is no point
   */
  issue(identity: Identity, token: string, request: Uint8Array): Promise<IssuedShare>;
}

export function openCentre(options: { folder: string; pair: KeyPair; sha256: Sha256 }): Centre {
  const { folder, pair, sha256 } = options;
  const publicKey: PublicKey = { alg: ALG_ESP256, bytes: pair.publicKey };
  const centre = thumbprint(sha256, publicKey);
  const inTurn = serial();

  async function issue(identity: Identity, token: string, request: Uint8Array): Promise<IssuedShare> {
    const listed = await findIdentity(folder, identity);
    // One answer to all strangers: with two, anybody could ask which servers there are, and when one gets its next key.
    demand(opens(listed, token), 'UNAUTHORIZED', 'no identity on the list has this name, epoch and token');
    if (listed.issued) {
      // The answer may have been lost on its way. The same again tells nothing new; another point would convict us.
      demand(listed.issued.request === hex(request), 'EXISTS', 'this identity has its point; list the next epoch');
      return listed.issued;
    }
    const { role, name, epoch } = identity;
    const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { role, name, epoch, centre, point });
    const { point, r } = issueShare(request, pair, hashOf);
    const nonce = hex(new Uint8Array(randomBytes(NONCE_BYTES)));
    const issued = { request: hex(request), point: hex(point), r: hex(r), nonce };
    // A crash before this write: nobody has seen the point. After it: the same request gets the same answer.
    await recordIssued(folder, listed, issued);
    return issued;
  }

  return { publicKey, issue: (identity, token, request) => inTurn(() => issue(identity, token, request)) };
}
