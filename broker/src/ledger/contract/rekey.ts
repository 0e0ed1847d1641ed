/** A person's next key: same name, same roles. The former key ends with the entry that approves the new one. */
import { demand } from '@countersign/device-sdk';
import { kidOf, thumbprint } from '@countersign/device-sdk/format';
import type { Rekey } from './args.ts';
import type { Call, Signatory } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { checkNewKey } from './new-key.ts';
import { checkObject, personOf, store } from './person-object.ts';
import { personWith } from './rights.ts';
import { type PersonState, remove, toHex, write } from './state.ts';
import type { FormerKey } from './views.ts';

/** Keys that a person has had. A key a month for five years; another name is free after that. */
export const FORMER_KEYS_MAX = 60;

/**
 * Proposed by the person, whatever the roles, or by an operator or approver: a lost key proposes nothing. A later proposal
 * takes the place of one that waits, so nobody holds up a person's next key with one of his own.
 * @throws Refusal NOT_PERMITTED, BAD_STATEMENT, NOT_FOUND, EXISTS, TOO_LARGE, BAD_KEY, UNSUPPORTED
 */
export async function rekeyPerson(call: Call, entry: TransactionEntry, by: Signatory, args: Rekey): Promise<void> {
  checkObject(call, entry, args.name);
  const person = await personOf(call, entry);
  const own = by.kind === 'person' && by.person.name === person.name;
  const proposer = own
    ? by.person
    : personWith(by, ['operator', 'approver'], "proposing another person's key").aboutAll();
  demand(person.state === 'active', 'BAD_STATEMENT', `${person.name} is ${person.state}`);
  demand(!person.revocation, 'EXISTS', `a revocation of ${person.name} is proposed already`);
  const former = person.formerKeys?.length ?? 0;
  demand(former < FORMER_KEYS_MAX, 'TOO_LARGE', `${person.name} has had ${former} keys: enrol another name`);
  const { sha256 } = call.verifier;
  const kid = toHex(kidOf(sha256, args.key));
  // No state is read after it was written: an engine that decides the order first would answer with the former one.
  if (person.newKey?.kid !== kid) {
    await checkNewKey(call, args.key);
    await freeNewKey(call, person);
    await write(call.stub, 'key', [kid], { kind: 'person', id: person.name });
  }
  const newKey = {
    thumbprint: toHex(thumbprint(sha256, args.key)),
    publicKey: toHex(args.key.bytes),
    alg: args.key.alg,
    kid,
    by: proposer.name,
  };
  await store(call, entry, proposer.name, { ...person, newKey });
}

/** The proposed key is the person's from here on. The former one stays somebody's: nobody takes it again. */
export function withNewKey({ newKey, ...person }: PersonState): PersonState {
  if (!newKey) return person;
  const { by: _proposer, ...key } = newKey;
  const last: FormerKey = { alg: person.alg, publicKey: person.publicKey, thumbprint: person.thumbprint };
  return { ...person, ...key, formerKeys: [...(person.formerKeys ?? []), last] };
}

/** A proposal that is taken back, or replaced, leaves its key to anybody. */
export async function freeNewKey(call: Call, { newKey }: PersonState): Promise<void> {
  if (newKey) await remove(call.stub, 'key', newKey.kid);
}
