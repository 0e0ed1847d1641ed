/**
 * Enrolment by certificate: an operator's grant names the key of an authority, and a device shows a certificate that this
 * key signed. The certificate's own key signs the entry, and the entry has the proof of the key that is enrolled.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { checkStatement, equal, kidOf, thumbprint } from '@countersign/device-sdk/format';
import type { Call } from './call.ts';
import { isIssuedBy, readCertificate } from './certificate.ts';
import type { TransactionEntry } from './entry.ts';
import { type CertifiedDevice, readCertifiedArgs } from './grant-args.ts';
import { checkNewKid } from './new-key.ts';
import { type GrantState, read, toHex, write } from './state.ts';

/**
 * Whose signature a claim by certificate bears: the key that is in the certificate.
 * @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED, UNKNOWN_KEY, BAD_SIGNATURE, NOT_FOUND, NOT_PERMITTED, REVOKED
 */
export async function certificateSignatory(call: Call, { tx, statement }: TransactionEntry): Promise<GrantState> {
  const { grantId, certificate } = readCertifiedArgs(tx.args);
  const { key } = readCertificate(certificate);
  const own = equal(statement.kid, kidOf(call.verifier.sha256, key));
  demand(own, 'UNKNOWN_KEY', "the entry is not by the certificate's key");
  call.verifier.checkKey(key.alg, key.bytes);
  checkStatement(call.verifier, statement, key);
  const grant = await read(call.stub, 'grant', toHex(grantId));
  if (!grant) throw new Refusal('NOT_FOUND', `there is no grant ${toHex(grantId)}`);
  demand(grant.kind === 'authority', 'NOT_PERMITTED', `grant ${grant.grantId} is no authority's`);
  demand(grant.state === 'open', 'REVOKED', `grant ${grant.grantId} is revoked`);
  return grant;
}

/**
 * The key of each certificate enrols one device, once: by key and not by certificate, because of an ECDSA signature
 * anybody can make a second one, and a certificate that is renewed would enrol its device again.
 * @throws Refusal NOT_PERMITTED, BAD_SIGNATURE, EXISTS
 */
export async function checkCertified(call: Call, grant: GrantState, device: CertifiedDevice): Promise<void> {
  const { verifier } = call;
  const named = toHex(thumbprint(verifier.sha256, device.authority)) === grant.content;
  demand(named, 'NOT_PERMITTED', `grant ${grant.grantId} is for another authority`);
  const certificate = readCertificate(device.certificate);
  const issued = isIssuedBy(verifier, certificate, device.authority);
  demand(issued, 'BAD_SIGNATURE', 'the certificate is not by this authority');
  const taken = await read(call.stub, 'certified', toHex(thumbprint(verifier.sha256, certificate.key)));
  demand(!taken, 'EXISTS', `the certificate's key is that of device ${taken?.deviceId}`);
  // A person's or a server's key has one role already, whoever certifies it.
  await checkNewKid(call, kidOf(verifier.sha256, certificate.key));
}

export async function markCertified(call: Call, { certificate, id }: CertifiedDevice): Promise<void> {
  const print = toHex(thumbprint(call.verifier.sha256, readCertificate(certificate).key));
  await write(call.stub, 'certified', [print], { deviceId: toHex(id) });
}
