/** Which roles a person needs for an action, and for which products he has them. */
import { demand, Refusal } from '@countersign/device-sdk';
import type { PersonRole } from './args.ts';
import { nameOf, type Signatory } from './call.ts';
import type { PersonState } from './state.ts';

/** Whoever acts has said what about: nothing else gives the person. */
export interface Permit {
  /** @throws Refusal NOT_PERMITTED where the person has his roles for other products */
  about(classId: string): PersonState;
  /** What is about no product, or about all. @throws Refusal NOT_PERMITTED where the person has his roles for some products */
  aboutAll(): PersonState;
  /** What proves itself, so that it matters to nobody who brings it. */
  whoever(): PersonState;
}

/** Keys that the person had before the present one: tells with which of them something was signed. */
export function keysBefore({ formerKeys }: PersonState): number {
  return formerKeys?.length ?? 0;
}

/**
 * Whether somebody's word still counts: he is active, and signs with the key that he signed it with. A thief's word falls with
 * the key that he stole, whether its owner was revoked or got another one.
 */
export function wordStands(person: PersonState | undefined, before: number): boolean {
  return person?.state === 'active' && keysBefore(person) === before;
}

/** @throws Refusal NOT_PERMITTED unless a person with one of these roles signed */
export function personWith(by: Signatory, roles: readonly PersonRole[], what: string): Permit {
  if (by.kind !== 'person')
    throw new Refusal('NOT_PERMITTED', `${what} is signed by a person, not by a ${by.kind} key`);
  const permitted = by.person.roles.some((role) => roles.includes(role));
  demand(permitted, 'NOT_PERMITTED', `${what} needs the role ${roles.join(' or ')}; ${nameOf(by)} has none of them`);
  const { person } = by;
  const { name, products } = person;
  return {
    about(classId) {
      const inside = products === undefined || products.includes(classId);
      demand(inside, 'NOT_PERMITTED', `${what} for class ${classId}: ${name} has his roles for other products`);
      return person;
    },
    aboutAll() {
      demand(products === undefined, 'NOT_PERMITTED', `${what}: ${name} has his roles for some products alone`);
      return person;
    },
    whoever: () => person,
  };
}
