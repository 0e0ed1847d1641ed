/**
 * Who comes in at an API, and what he may ask there: the folder's own token, or one that was given to a person or a
 * machine. A token narrows, it never widens: whatever changes the ledger is signed by a person's key besides, and the
 * contract judges that signature whatever was found here.
 */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  hex,
  kidOf,
  readStatement,
  readTransaction,
  type Statement,
  type Transaction,
  unhex,
} from '@countersign/device-sdk/format';
import type { LedgerClient } from '../../ledger/client.ts';
import { isRoot } from '../../ledger/contract/entry.ts';
import type { PersonView } from '../../ledger/contract/views.ts';
import { type Asked, classesOf } from './asked.ts';
import type { Factors } from './factors.ts';
import { classOf } from './objects.ts';
import { needsFactor, type Right, ROLES_OF, rightOf, type Scope, scopeOf } from './rights.ts';
import type { Tokens, TokenView } from './tokens.ts';

/** Who asks: `owner` has the folder's own token. */
export type Guest = { kind: 'owner' } | TokenView;
export const OWNER: Guest = { kind: 'owner' };

export interface DoorParts {
  tokens: Tokens;
  ledger: LedgerClient;
  verifier: Verifier;
  /** The ledger's: what was signed for another one uses up nobody's tries here. */
  origin: string;
  /** Where this server holds the ledger; the others pass codes on to it. */
  factors?: Factors | undefined;
  /** Nobody approves, rolls out or changes people and keys without a second factor. */
  demandFactor?: boolean | undefined;
}

export interface Door {
  /**
   * @param token from the request's header @param route as it was registered, undefined for none
   * @throws Refusal UNAUTHORIZED, EXPIRED, NOT_PERMITTED
   */
  admit(token: string | undefined, method: string, route: string | undefined): Promise<Guest>;
  /**
   * Looks at a statement before the ledger does.
   * @throws Refusal NOT_PERMITTED, BAD_FACTOR, FACTOR_USED, LOCKED_OUT, CONFLICT for a statement over an old state, and
   * those of its shape and signature
   */
  statement(guest: Guest, bytes: Uint8Array, code: string | undefined): Promise<void>;
  /**
   * Looks at a request that is no statement before its route does.
   * @param route as it was registered, with its method @throws Refusal NOT_PERMITTED, NOT_FOUND, BAD_REQUEST
   */
  request(guest: Guest, route: string, asked: Asked): Promise<void>;
  /** Whether somebody who was let in may still be there: his token stands, and so does its person. */
  stays(guest: Guest): Promise<boolean>;
  /** Calls with the id of each token that is revoked, when it is. @returns ends it */
  onRevoked(call: (id: string) => void): () => void;
}

export function createDoor(parts: DoorParts): Door {
  const { tokens, ledger, factors } = parts;
  return {
    async admit(token, method, route) {
      const guest = token === undefined ? undefined : await tokens.find(token);
      demand(guest, 'UNAUTHORIZED', 'this needs a token of this server; none was given, or one that is not known');
      await checkRight(guest, rightOf(method, route), `${method} ${route ?? 'there'}`);
      return guest;
    },
    onRevoked: (call) => tokens.onRevoked(call),
    async stays(guest) {
      if (guest.kind === 'owner') return true;
      if (!tokens.stands(guest.id)) return false;
      if (guest.kind === 'machine') return true;
      return personOf(guest).then(
        () => tokens.stands(guest.id),
        (error) => {
          if (codeOf(error) === 'UNAUTHORIZED') return false;
          throw error;
        },
      );
    },
    async request(guest, route, asked) {
      if (guest.kind === 'owner' || guest.products === undefined) return;
      checkInside(guest, guest.products, await classesOf(ledger, route, asked));
    },
    async statement(guest, bytes, code) {
      const deed = await deedOf(parts, bytes, guest);
      if (guest.kind !== 'owner') await checkDeed(guest, deed);
      if (factors && deed?.signer && deed.gated) await checkFactor(factors, deed, deed.signer.name, code);
    },
  };

  async function checkRight(guest: TokenView, right: Right | undefined, what: string): Promise<void> {
    const person = guest.kind === 'person' ? await personOf(guest) : undefined;
    const needed = right === 'statement' ? guest.scopes.find((scope) => scope !== 'read') : right;
    const open = needed !== undefined && needed !== 'owner' && guest.scopes.includes(needed);
    demand(open, 'NOT_PERMITTED', `token ${guest.id} is for ${guest.scopes.join(', ')}, and not for ${what}`);
    if (person && right !== 'statement') checkRole(person, needed, what);
  }

  async function checkDeed(guest: TokenView, deed: Deed | undefined): Promise<void> {
    const scope = deed?.scope ?? 'relay';
    const what = deed ? deed.tx.action : 'a statement that is no transaction';
    const fits = guest.scopes.includes(scope) || guest.scopes.includes('relay');
    demand(fits, 'NOT_PERMITTED', `token ${guest.id} is for ${guest.scopes.join(', ')}, and ${what} is ${scope}`);
    if (guest.kind === 'person') {
      const own = deed?.signer?.name === guest.name;
      demand(
        own,
        'NOT_PERMITTED',
        `token ${guest.id} is ${guest.name}'s, and the statement is not signed by ${guest.name}`,
      );
      checkRole(deed!.signer!, scope, what);
    }
    if (guest.products === undefined) return;
    const classId = deed && (await classOf(ledger, parts.verifier.sha256, deed.tx, guest.products));
    checkInside(guest, guest.products, [classId]);
  }

  async function checkFactor(checked: Factors, deed: Deed, name: string, code: string | undefined): Promise<void> {
    if (checked.has(name)) {
      await checkFresh(deed);
      return checked.check(name, code);
    }
    const text = `${name} has no second factor, and this server demands one: countersign people totp ${name}`;
    demand(!parts.demandFactor, 'BAD_FACTOR', text);
  }

  /**
   * Everybody can read a person's former statements. With one of them, whose signature is right, and wrong codes his tries
   * would be used up, or guessed at, by somebody who has no key of his.
   */
  async function checkFresh({ tx }: Deed): Promise<void> {
    const { channel, object, previous } = tx;
    demand(channel === parts.origin, 'BAD_STATEMENT', `a transaction for ledger ${channel}, this is ${parts.origin}`);
    const last = (await ledger.evaluate('getPrevious', hex(object))) as { previous: string };
    const fresh = last.previous === hex(previous);
    demand(fresh, 'CONFLICT', `the object was last changed by ${last.previous}, not ${hex(previous)}`);
  }

  /** A token ends with its person, at once. */
  async function personOf({ id, name }: TokenView): Promise<PersonView> {
    const person = (await ledger.evaluate('getPerson', name)) as PersonView;
    demand(person.state === 'active', 'UNAUTHORIZED', `token ${id} is ${name}'s, who is ${person.state}`);
    return person;
  }
}

function checkInside({ id }: TokenView, products: readonly string[], classes: readonly (string | undefined)[]): void {
  const inside = classes.every((classId) => classId !== undefined && products.includes(classId));
  demand(inside, 'NOT_PERMITTED', `token ${id} is for other products than the one that this is about`);
}

function checkRole({ name, roles }: PersonView, scope: Scope | undefined, what: string): void {
  if (scope === undefined || scope === 'relay') return;
  const allowed = ROLES_OF[scope];
  const good = roles.some((role) => allowed.includes(role));
  demand(good, 'NOT_PERMITTED', `${what} needs the role ${allowed.join(' or ')}; ${name} has none of them`);
}

/** A transaction, and which person signed it. */
interface Deed {
  tx: Transaction;
  scope: Scope;
  gated: boolean;
  /** Absent where a server's key signed, or an unknown one: the contract says which. */
  signer?: PersonView;
}

/** @returns undefined for reports, rollout statements and trust roots, which are signed by devices, servers, root keys */
async function deedOf({ ledger, verifier }: DoorParts, bytes: Uint8Array, guest: Guest): Promise<Deed | undefined> {
  const statement = transactionIn(bytes);
  if (!statement) return undefined;
  const tx = readTransaction(statement.payload);
  const scope = scopeOf(tx.action, await aboutOf(ledger, tx));
  const gated = needsFactor(tx.action, scope);
  if (guest.kind !== 'person' && !gated) return { tx, scope, gated };
  const people = (await ledger.evaluate('listPeople')) as (PersonView & { alg: number })[];
  const kid = hex(statement.kid);
  for (const person of people) {
    const key = { alg: person.alg, bytes: unhex(person.publicKey)! };
    if (hex(kidOf(verifier.sha256, key)) !== kid) continue;
    // Before a code is looked at: otherwise anybody could use up a person's tries and lock him out.
    checkStatement(verifier, statement, key);
    return { tx, scope, gated, signer: person };
  }
  return { tx, scope, gated };
}

function transactionIn(bytes: Uint8Array): Statement | undefined {
  // A trust root bears signatures of root keys, who are nobody on the record.
  if (isRoot(bytes)) return undefined;
  try {
    return readStatement(bytes, 'tx');
  } catch (error) {
    if (error instanceof Refusal && error.code === 'WRONG_TYPE') return undefined;
    throw error;
  }
}

/** Approvals name their object by its digest alone; the record knows what it is. */
async function aboutOf(ledger: LedgerClient, { action, object, args }: Transaction): Promise<'person' | 'other'> {
  // What else can be enrolled and revoked, and how it is written, the contract knows.
  if (action === 'enrol' || action === 'revoke') {
    const [word] = [args].flat();
    return word === 'person' || word === 'rekey' ? 'person' : 'other';
  }
  if (action !== 'approve' && action !== 'reject') return 'other';
  try {
    await ledger.evaluate('getRelease', hex(object));
    return 'other';
  } catch (error) {
    if (error instanceof Refusal && error.code === 'NOT_FOUND') return 'person';
    throw error;
  }
}
