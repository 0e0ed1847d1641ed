/** Grants: an operator signs that whoever holds a key may enrol so many new devices of one product. */
import { hex, type PublicKey, publicKeyOf, type Signer, thumbprint, unhex } from '@countersign/device-sdk/format';
import { claimKey, newClaimCode } from '@countersign/device-sdk/host/claim';
import { checkLines, type ListLine, listRoot } from '../../distribution/enrolment/lists.ts';
import { objectDigest, revokeArgs } from '../../ledger/contract/args.ts';
import { enrolGrantArgs } from '../../ledger/contract/grant-args.ts';
import type { CommittedView } from '../api/views.ts';
import { getProduct } from './releases.ts';
import { perform, type Session } from './session.ts';

export interface GrantWish {
  /** Name or class id. */
  product: string;
  devices: number;
  /** Seconds since the epoch. */
  expires: number;
}

/**
 * Makes a claim code and puts its grant on the record. The code is in the answer and nowhere else.
 * @throws Refusal NOT_PERMITTED, NOT_FOUND
 */
export async function grantCode(
  session: Session,
  signer: Signer,
  { product, devices, expires }: GrantWish,
): Promise<{ code: string; grantId: Uint8Array; committed: CommittedView }> {
  const { classId } = await getProduct(session, product);
  const code = newClaimCode();
  const { signer: key, grantId } = claimKey(session.verifier, code);
  const object = objectDigest(session.verifier.sha256, 'grant', grantId);
  const args = enrolGrantArgs({
    ...{ grantId, key: publicKeyOf(key), classId: Uint8Array.from(Buffer.from(classId, 'hex')), devices, expires },
    ...{ kind: 'code', content: null },
  });
  return { code, grantId, committed: await perform(session, signer, { action: 'enrol', object, args }) };
}

/**
 * Signs a list: its root goes on the record, its serials to the distribution server alone.
 * @throws Refusal NOT_PERMITTED, NOT_FOUND, BAD_REQUEST
 */
export async function grantList(
  session: Session,
  signer: Signer,
  { product, expires }: Omit<GrantWish, 'devices'>,
  devices: readonly ListLine[],
): Promise<Granted> {
  checkLines(devices);
  const content = unhex(listRoot(session.verifier.sha256, devices))!;
  const granted = await grantTo(session, signer, { product, devices: devices.length, expires }, 'list', content);
  // The entry first: a list is taken by the root that stands there. Without it nothing is enrolled yet.
  await session.api.post(`/api/v1/grants/${hex(granted.grantId)}/list`, { devices });
  return granted;
}

/** Signs that certificates by this key enrol devices. @throws Refusal NOT_PERMITTED, NOT_FOUND */
export async function grantAuthority(
  session: Session,
  signer: Signer,
  wish: GrantWish,
  authority: PublicKey,
): Promise<Granted> {
  return grantTo(session, signer, wish, 'authority', thumbprint(session.verifier.sha256, authority));
}

export interface Granted {
  grantId: Uint8Array;
  committed: CommittedView;
}

/** The grant has a key as every grant has, of which its id is made; nobody keeps the secret half, and it enrols nothing. */
async function grantTo(
  session: Session,
  signer: Signer,
  { product, devices, expires }: GrantWish,
  kind: 'list' | 'authority',
  content: Uint8Array,
): Promise<Granted> {
  const { classId } = await getProduct(session, product);
  const { signer: key, grantId } = claimKey(session.verifier, newClaimCode());
  const common = { grantId, key: publicKeyOf(key), classId: unhex(classId)!, devices, expires };
  const object = objectDigest(session.verifier.sha256, 'grant', grantId);
  const args = enrolGrantArgs({ ...common, kind, content });
  return { grantId, committed: await perform(session, signer, { action: 'enrol', object, args }) };
}

export async function revokeGrant(
  session: Session,
  signer: Signer,
  grantId: Uint8Array,
  reason: string,
): Promise<CommittedView> {
  const object = objectDigest(session.verifier.sha256, 'grant', grantId);
  return perform(session, signer, { action: 'revoke', object, args: revokeArgs('grant', grantId, reason) });
}
