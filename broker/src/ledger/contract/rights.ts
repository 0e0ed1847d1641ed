/** Which roles a person needs for an action. */
import { demand, Refusal } from '@countersign/device-sdk';
import type { PersonRole } from './args.ts';
import { nameOf, type Signatory } from './call.ts';
import type { PersonState } from './state.ts';

/** @throws Refusal NOT_PERMITTED unless a person with one of these roles signed */
export function personWith(by: Signatory, roles: readonly PersonRole[], what: string): PersonState {
  if (by.kind !== 'person')
    throw new Refusal('NOT_PERMITTED', `${what} is signed by a person, not by a ${by.kind} key`);
  const permitted = by.person.roles.some((role) => roles.includes(role));
  demand(permitted, 'NOT_PERMITTED', `${what} needs the role ${roles.join(' or ')}; ${nameOf(by)} has none of them`);
  return by.person;
}
