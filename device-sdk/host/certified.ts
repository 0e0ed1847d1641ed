/**
 * Enrolment by certificate: the device comes by TLS with the certificate of its factory, and the certificate's key signs
 * the enrolment of the key that the device has made itself. The two keys stay apart: one is the factory's PKI, which ends
 * here, the other signs reports.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { demand, Refusal } from '../src/errors.ts';
import {
  ALG_ED25519,
  ALG_ESP256,
  asArray,
  asBytes,
  type Claim,
  claimValue,
  coseKey,
  decode,
  encode,
  ID_BYTES,
  type PublicKey,
  publicKeyOf,
  readCoseKey,
  type Signer,
  signStatement,
} from '../src/format/index.ts';
import type { Verifier } from '../src/ports.ts';
import { enrolmentEntry } from './claim.ts';
import { nodeKeyStore } from './crypto.ts';
import type { HttpClient } from './http-call.ts';
import { HTTP_ROOT } from './http-format.ts';

/** A version and a class id. */
export const AUTHORITY_ASK_BYTES_MAX = 32;
const ANSWER_BYTES_MAX = 256;
const ASK_MS = 30_000;

/** Under which grant a certificate counts. */
export interface AuthorityGrant {
  grantId: Uint8Array;
  /** The key that signed the certificate. */
  authority: PublicKey;
}

export interface CertificateKey {
  /** DER. */
  certificate: Uint8Array;
  signer: Signer;
}

/** @param cert PEM, the device's own first; @param key its key in PEM. @throws Refusal BAD_KEY, UNSUPPORTED */
export function certificateKey(cert: string, key: string): CertificateKey {
  try {
    const own = new X509Certificate(cert);
    const secret = createPrivateKey(key);
    const { crv, d } = secret.export({ format: 'jwk' });
    const alg = crv === 'Ed25519' ? ALG_ED25519 : crv === 'P-256' ? ALG_ESP256 : undefined;
    if (alg === undefined) throw new Refusal('UNSUPPORTED', 'a certificate is for a key of P-256 or Ed25519');
    demand(own.checkPrivateKey(secret), 'BAD_KEY', 'the key is not the one of the certificate');
    const signer = nodeKeyStore(alg, new Uint8Array(Buffer.from(d!, 'base64url')));
    return { certificate: new Uint8Array(own.raw), signer };
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('BAD_KEY', 'the certificate or its key cannot be read', { cause });
  }
}

/** The entry by which a device enrols itself under an authority's grant. */
export async function certifiedEntry(
  { sha256 }: Pick<Verifier, 'sha256'>,
  { certificate, signer }: CertificateKey,
  device: Signer,
  claim: Claim,
  authority: PublicKey,
): Promise<Uint8Array> {
  const { grantId, deviceId } = claim;
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device);
  const own = coseKey(publicKeyOf(device));
  const args = ['certified', grantId, deviceId, own, proof, coseKey(authority), certificate];
  return enrolmentEntry({ sha256 }, signer, claim, args);
}

/**
 * Asks a server under which grant the certificate of this connection counts.
 * @throws Refusal UNAUTHORIZED for none; NOT_PERMITTED for a certificate that is not accepted; LINK_LOST, RATE_LIMITED
 */
export async function askAuthority(http: HttpClient, classId: Uint8Array): Promise<AuthorityGrant> {
  const { body } = await http.call({
    ...{ method: 'POST', path: `${HTTP_ROOT}/authority`, body: encode([1, classId]) },
    ...{ limitMs: ASK_MS, bytesMax: ANSWER_BYTES_MAX },
  });
  const [version, grantId, key] = asArray(decode(body), 'grant of an authority', 3);
  demand(version === 1, 'UNSUPPORTED', 'a grant of an authority of another version');
  return { grantId: asBytes(grantId, 'grant id', ID_BYTES), authority: readCoseKey(key!) };
}

export function encodeAuthorityGrant({ grantId, authority }: AuthorityGrant): Uint8Array {
  return encode([1, grantId, coseKey(authority)]);
}

/** @returns the class id. @throws Refusal MALFORMED, UNSUPPORTED */
export function readAuthorityAsk(bytes: Uint8Array): Uint8Array {
  const [version, classId] = asArray(decode(bytes), 'question for an authority', 2);
  demand(version === 1, 'UNSUPPORTED', 'a question of another version');
  return asBytes(classId, 'class id', ID_BYTES);
}
