/** One call of the contract: the entry being executed, and what every handler needs beside the stub. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  isImplicit,
  type PublicKey,
  type Role,
  readSignedRoot,
  type Statement,
  type TrustRoot,
  thumbprint,
} from '@countersign/device-sdk/format';
import { keyFor } from '@countersign/device-sdk/verify';
import type { Entry } from './entry.ts';
import {
  fromHex,
  type GrantState,
  NONE,
  type ObjectState,
  type PersonState,
  parse,
  read,
  type Stamp,
  toHex,
  write,
} from './state.ts';
import type { LedgerStub } from './stub.ts';

export interface Call {
  stub: LedgerStub;
  verifier: Verifier;
  /** True in block 0, where the first people sign themselves in. */
  genesis: boolean;
  /** Leaves before this entry: from where on a revoked key's work is void. */
  size: number;
}

/** Who signed a transaction. Service keys have no name of their own. */
export type Signatory =
  | { kind: 'person'; person: PersonState }
  | { kind: 'service' }
  | { kind: 'grant'; grant: GrantState };

export function nameOf(by: Signatory): string {
  if (by.kind === 'grant') return `grant:${by.grant.grantId}`;
  return by.kind === 'person' ? by.person.name : by.kind;
}

export function stampOf(entry: Entry, action: string, signer: string): Stamp {
  return { entry: toHex(entry.leafHash), action, signer };
}

/** The trust root in force. @throws Refusal NOT_FOUND before entry 0 */
export async function rootOf(call: Call): Promise<TrustRoot> {
  const bytes = await call.stub.getState(call.stub.createCompositeKey('root', ['current']));
  demand(bytes.length > 0, 'NOT_FOUND', 'the ledger has no trust root yet');
  let root = ROOTS.get(bytes);
  if (!root) {
    root = readSignedRoot(call.verifier.sha256, fromHex(parse<'root'>(bytes).bytes)).root;
    ROOTS.set(bytes, root);
  }
  return root;
}

/** Parsed once per stored value: a root has dozens of keys, and every transaction looks at it. */
const ROOTS = new WeakMap<Uint8Array, TrustRoot>();

/** The key of a server role, unless revoked at this place of the log. @throws Refusal UNKNOWN_KEY, WRONG_ROLE, REVOKED */
export async function roleKey(call: Call, role: Role, kid: Uint8Array): Promise<PublicKey> {
  const key = keyFor(call.verifier, await rootOf(call), role, kid, call.size);
  if (isImplicit(key)) await demandIssued(call, key);
  return key;
}

/** An implicit key is good for nothing before its (identity, point) stands in the ledger. */
async function demandIssued(call: Call, key: PublicKey): Promise<void> {
  const print = toHex(thumbprint(call.verifier.sha256, key));
  const issued = await read(call.stub, 'issued', print);
  demand(issued, 'UNKNOWN_KEY', `the point of key ${print.slice(0, 16)} is not on the record: no issueKey yet`);
}

/**
 * Finds who signed a transaction and checks the signature: an active person, an open grant, or a `service` key.
 * @throws Refusal UNKNOWN_KEY, WRONG_ROLE, REVOKED, NOT_PERMITTED, BAD_SIGNATURE
 */
export async function signatory(call: Call, statement: Statement): Promise<Signatory> {
  const owner = await read(call.stub, 'key', toHex(statement.kid));
  if (!owner) {
    checkStatement(call.verifier, statement, await roleKey(call, 'service', statement.kid));
    return { kind: 'service' };
  }
  if (owner.kind === 'grant') return { kind: 'grant', grant: await signingGrant(call, statement, owner.id) };
  demand(owner.kind === 'person', 'WRONG_ROLE', 'a device key signs no transaction');
  const person = await read(call.stub, 'person', owner.id);
  if (!person) throw new Refusal('UNKNOWN_KEY', `nobody has the key ${toHex(statement.kid)}`);
  const kid = toHex(statement.kid);
  demand(person.newKey?.kid !== kid, 'NOT_PERMITTED', `the new key of ${person.name} is not approved yet`);
  demand(person.kid === kid, 'REVOKED', `${person.name} has another key by now`);
  checkStatement(call.verifier, statement, { alg: person.alg, bytes: fromHex(person.publicKey) });
  demand(person.state !== 'revoked', 'REVOKED', `${person.name} is revoked`);
  demand(person.state === 'active', 'NOT_PERMITTED', `${person.name} is proposed and not approved yet`);
  return { kind: 'person', person };
}

async function signingGrant(call: Call, statement: Statement, id: string): Promise<GrantState> {
  const grant = await read(call.stub, 'grant', id);
  if (!grant) throw new Refusal('UNKNOWN_KEY', `there is no grant ${id}`);
  checkStatement(call.verifier, statement, { alg: grant.alg, bytes: fromHex(grant.publicKey) });
  demand(grant.state === 'open', 'REVOKED', `grant ${id} is revoked`);
  return grant;
}

/**
 * What a transaction says about its object's last change must be true, or it was signed over an old state.
 * @throws Refusal CONFLICT; DUPLICATE for the very entry that made the last change
 */
export function checkPrevious(entry: Entry, claimed: Uint8Array, last: string | undefined): void {
  demand(last !== toHex(entry.leafHash), 'DUPLICATE', 'this exact transaction has been logged already');
  const found = last ?? NONE;
  demand(toHex(claimed) === found, 'CONFLICT', `the object was last changed by ${found}, not ${toHex(claimed)}`);
}

/** Records that this entry changed an object. */
export async function changed(
  call: Call,
  entry: Entry,
  digest: Uint8Array | string,
  kind: ObjectState['kind'],
  id: string,
): Promise<void> {
  const key = typeof digest === 'string' ? digest : toHex(digest);
  await write(call.stub, 'object', [key], { kind, id, previous: toHex(entry.leafHash) });
}

/** Seconds since the epoch as the block records them. */
export function timeOf(call: Call): number {
  return Number(call.stub.getTxTimestamp().seconds);
}
