/** People on the record: one person proposes, another approves. */
import { type PublicKey, type Signer, utf8 } from '@countersign/device-sdk/format';
import { enrolPersonArgs, objectDigest, type PersonRole, revokeArgs } from '../../ledger/contract/args.ts';
import type { CommittedView } from '../api/views.ts';
import { perform, type Session } from './session.ts';

export interface NewPerson {
  name: string;
  roles: PersonRole[];
  key: PublicKey;
}

export function proposePerson(session: Session, signer: Signer, person: NewPerson): Promise<CommittedView> {
  return perform(session, signer, {
    action: 'enrol',
    object: objectOf(session, person.name),
    args: enrolPersonArgs(person),
  });
}

/** Makes a proposal, or a proposed revocation, true. */
export function approvePerson(session: Session, signer: Signer, name: string): Promise<CommittedView> {
  return perform(session, signer, { action: 'approve', object: objectOf(session, name), args: null });
}

export function revokePerson(session: Session, signer: Signer, name: string, reason: string): Promise<CommittedView> {
  const args = revokeArgs('person', utf8(name), reason);
  return perform(session, signer, { action: 'revoke', object: objectOf(session, name), args });
}

function objectOf({ verifier }: Session, name: string): Uint8Array {
  return objectDigest(verifier.sha256, 'person', utf8(name));
}
