/** People on the record: one person proposes, another approves. */
import { demand } from '@countersign/device-sdk';
import { hex, type PublicKey, type Signer, type Transaction, thumbprint, utf8 } from '@countersign/device-sdk/format';
import {
  enrolPersonArgs,
  objectDigest,
  type PersonRole,
  readEnrol,
  rekeyArgs,
  revokeArgs,
} from '../../ledger/contract/args.ts';
import type { CommittedView } from '../api/views.ts';
import { provenEntry } from './proven.ts';
import { perform, previousOf, type Session } from './session.ts';

export interface NewPerson {
  name: string;
  roles: PersonRole[];
  key: PublicKey;
  /** Class ids for which the person has the roles; undefined for all products. */
  products?: readonly Uint8Array[] | undefined;
}

export function proposePerson(session: Session, signer: Signer, person: NewPerson): Promise<CommittedView> {
  return perform(session, signer, {
    action: 'enrol',
    object: objectOf(session, person.name),
    args: enrolPersonArgs(person),
  });
}

/** Proposes a person's next key: same name, same roles. Signed by that person, an operator or an approver. */
export function rekeyPerson(
  session: Session,
  signer: Signer,
  person: { name: string; key: PublicKey },
): Promise<CommittedView> {
  return perform(session, signer, {
    action: 'enrol',
    object: objectOf(session, person.name),
    args: rekeyArgs(person),
  });
}

export interface Proposal {
  what: 'enrol' | 'rekey' | 'revoke';
  /** RFC 9679 thumbprint of the proposed key, hex; null for a revocation. */
  thumbprint: string | null;
  /** Of an enrolment: a next key changes none. */
  roles: PersonRole[];
  /** Class ids, hex, for which the person would have the roles; undefined for all products. */
  products?: string[];
}

/**
 * Makes a proposal, or a proposed revocation, true: the one that the approval names as the person's last entry.
 * @param key approve only this key, of a new person or of this one
 * @throws Refusal BAD_STATEMENT where nothing, or something else, is proposed
 */
export async function approvePerson(
  session: Session,
  signer: Signer,
  name: string,
  key?: PublicKey,
): Promise<CommittedView & { proposal: Proposal }> {
  const object = objectOf(session, name);
  const previous = await previousOf(session, object);
  const proposal = proposalIn(session, await provenEntry(session, previous), name);
  const { sha256 } = session.verifier;
  const meant = key === undefined || proposal.thumbprint === hex(thumbprint(sha256, key));
  demand(meant, 'BAD_STATEMENT', `not signed: what is proposed about ${name} is not that key`);
  return { ...(await perform(session, signer, { action: 'approve', object, previous, args: null })), proposal };
}

function proposalIn({ verifier }: Session, { action, args }: Transaction, name: string): Proposal {
  if (action === 'revoke') return { what: action, thumbprint: null, roles: [] };
  const enrolment = action === 'enrol' ? readEnrol(args) : undefined;
  if (enrolment?.kind === 'rekey' && enrolment.name === name)
    return { what: 'rekey', thumbprint: hex(thumbprint(verifier.sha256, enrolment.key)), roles: [] };
  const own = enrolment?.kind === 'person' && enrolment.name === name;
  demand(own, 'BAD_STATEMENT', `nothing is proposed about ${name}`);
  const { key, roles, products } = enrolment;
  const print = hex(thumbprint(verifier.sha256, key));
  return { what: 'enrol', thumbprint: print, roles, ...(products && { products: products.map(hex) }) };
}

export function revokePerson(session: Session, signer: Signer, name: string, reason: string): Promise<CommittedView> {
  const args = revokeArgs('person', utf8(name), reason);
  return perform(session, signer, { action: 'revoke', object: objectOf(session, name), args });
}

function objectOf({ verifier }: Session, name: string): Uint8Array {
  return objectDigest(verifier.sha256, 'person', utf8(name));
}
