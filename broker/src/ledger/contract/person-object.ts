/** A person as an object of transactions: named by a digest, kept by name. */
import { demand, Refusal } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import { objectDigest } from './args.ts';
import { type Call, changed, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { type PersonState, read, toHex, write } from './state.ts';

/** @throws Refusal BAD_STATEMENT */
export function checkObject(call: Call, entry: TransactionEntry, name: string): void {
  const expected = toHex(objectDigest(call.verifier.sha256, 'person', utf8(name)));
  demand(toHex(entry.tx.object) === expected, 'BAD_STATEMENT', `the object of this transaction is not ${name}`);
}

/** @throws Refusal NOT_FOUND */
export async function personOf(call: Call, entry: TransactionEntry): Promise<PersonState> {
  const object = await read(call.stub, 'object', toHex(entry.tx.object));
  const person = object && (await read(call.stub, 'person', object.id));
  if (!person) throw new Refusal('NOT_FOUND', 'there is no such person');
  return person;
}

type Unstamped = Omit<PersonState, 'previous' | 'entry' | 'action' | 'signer'>;

export async function store(call: Call, entry: TransactionEntry, signer: string, person: Unstamped): Promise<void> {
  const previous = toHex(entry.leafHash);
  await write(call.stub, 'person', [person.name], { ...person, previous, ...stampOf(entry, entry.tx.action, signer) });
  await changed(call, entry, entry.tx.object, 'person', person.name);
}
