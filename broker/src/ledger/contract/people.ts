/** People sign themselves in at genesis; later ones are proposed by one person and approved by another. */
import { demand, Refusal } from '@countersign/device-sdk';
import { checkStatement, fromUtf8, kidOf, thumbprint } from '@countersign/device-sdk/format';
import { type EnrolPerson, readEnrol, readNoArgs, readRejection } from './args.ts';
import { type Call, changed, type Signatory } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { checkNewKey } from './new-key.ts';
import { checkObject, personOf, store } from './person-object.ts';
import { freeNewKey, withNewKey } from './rekey.ts';
import { personWith } from './rights.ts';
import { type PersonState, read, remove, scan, toHex, write } from './state.ts';

/** With fewer who are limited to no products, or without an approver among them, nobody could ever be enrolled again. */
export const PEOPLE_MIN = 2;

/** In block 0 a person's own signature over his enrolment is enough: the orderer's signature on the block lists him. */
export async function enrolFirstPerson(call: Call, entry: TransactionEntry): Promise<void> {
  demand(entry.tx.action === 'enrol', 'NOT_PERMITTED', 'block 0 enrols people and nothing else');
  const args = readEnrol(entry.tx.args);
  if (args.kind !== 'person') throw new Refusal('NOT_PERMITTED', 'block 0 enrols people and nothing else');
  checkStatement(call.verifier, entry.statement, args.key);
  await addPerson(call, entry, args, null);
}

export async function enrolPerson(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  args: EnrolPerson,
): Promise<void> {
  const proposer = personWith(by, ['operator', 'approver'], 'enrolling a person').aboutAll();
  await addPerson(call, entry, args, proposer.name);
}

/** Signers of entries that are no people stand under these names in histories: the servers', and device ids. */
const NOBODY = /^(service|command|[0-9a-f]{32})$/;

async function addPerson(call: Call, entry: TransactionEntry, args: EnrolPerson, proposedBy: string | null) {
  const { sha256 } = call.verifier;
  checkObject(call, entry, args.name);
  demand(!NOBODY.test(args.name), 'BAD_STATEMENT', `${args.name} is no name for a person`);
  const doubled = new Set(args.roles).size !== args.roles.length;
  demand(args.roles.length > 0 && !doubled, 'BAD_STATEMENT', 'a person has at least one role, each once');
  demand(!(await read(call.stub, 'person', args.name)), 'EXISTS', `there is a person named ${args.name}`);
  await checkNewKey(call, args.key);
  const products = args.products?.map(toHex);
  for (const id of products ?? [])
    demand(await read(call.stub, 'product', id), 'NOT_FOUND', `there is no product class ${id}`);
  const kid = toHex(kidOf(sha256, args.key));
  await write(call.stub, 'key', [kid], { kind: 'person', id: args.name });
  await store(call, entry, proposedBy ?? args.name, {
    name: args.name,
    roles: args.roles,
    ...(products && { products }),
    thumbprint: toHex(thumbprint(sha256, args.key)),
    publicKey: toHex(args.key.bytes),
    alg: args.key.alg,
    kid,
    state: proposedBy === null ? 'active' : 'proposed',
    proposedBy,
    revocation: null,
  });
}

/** Another approver makes a proposal, or a proposed revocation, true. */
export async function approvePerson(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const approver = personWith(by, ['approver'], 'approving a person').aboutAll();
  readNoArgs(entry.tx.args);
  const person = await personOf(call, entry);
  const proposer = person.revocation?.by ?? person.newKey?.by ?? person.proposedBy;
  const proposed = person.revocation || person.newKey || person.state === 'proposed';
  demand(proposed, 'BAD_STATEMENT', `nothing is proposed about ${person.name}`);
  demand(approver.name !== proposer, 'SAME_PERSON', `${approver.name} proposed this and cannot approve it`);
  if (person.revocation) await checkEnoughPeople(call, person);
  else if (person.newKey) return store(call, entry, approver.name, withNewKey(person));
  const state = person.revocation ? 'revoked' : 'active';
  await store(call, entry, approver.name, { ...person, state, revocation: null });
}

/** Takes a proposal back. A proposed person's name and key become free again. */
export async function rejectPerson(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const approver = personWith(by, ['approver'], 'rejecting a proposal').aboutAll();
  readRejection(entry.tx.args);
  const person = await personOf(call, entry);
  // The key that is to be revoked may be a thief's: he must not fend it off for ever.
  demand(approver.name !== person.name, 'SAME_PERSON', `${person.name} does not decide about ${person.name}`);
  if (person.revocation) return store(call, entry, approver.name, { ...person, revocation: null });
  if (person.newKey) {
    await freeNewKey(call, person);
    return store(call, entry, approver.name, { ...person, newKey: undefined });
  }
  demand(person.state === 'proposed', 'BAD_STATEMENT', `nothing is proposed about ${person.name}`);
  await remove(call.stub, 'person', person.name);
  await remove(call.stub, 'key', person.kid);
  await changed(call, entry, entry.tx.object, 'person', person.name);
}

export async function revokePerson(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  args: { id: Uint8Array; reason: string },
): Promise<void> {
  const proposer = personWith(by, ['operator', 'approver'], 'revoking a person').aboutAll();
  checkObject(call, entry, fromUtf8(args.id));
  const person = await personOf(call, entry);
  demand(person.state === 'active', 'BAD_STATEMENT', `${person.name} is ${person.state}`);
  demand(!person.revocation, 'EXISTS', `a revocation of ${person.name} is proposed already`);
  await checkEnoughPeople(call, person);
  // A thief who proposed a next key for himself loses it: one thing at a time is decided.
  await freeNewKey(call, person);
  const revocation = { by: proposer.name, reason: args.reason };
  await store(call, entry, proposer.name, { ...person, newKey: undefined, revocation });
}

async function checkEnoughPeople(call: Call, leaving: PersonState): Promise<void> {
  const staying: PersonState[] = [];
  for await (const person of scan(call.stub, 'person')) {
    const whole = person.state === 'active' && person.products === undefined;
    if (whole && person.name !== leaving.name) staying.push(person);
  }
  const approver = staying.some(({ roles }) => roles.includes('approver'));
  const enough = staying.length >= PEOPLE_MIN && approver;
  demand(enough, 'BAD_STATEMENT', `${PEOPLE_MIN} active people for all products must remain, an approver among them`);
}
