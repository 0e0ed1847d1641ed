/** The server's desk for passports: takes documents in, by content, and answers what they mean for releases. */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, hex, kidOf, type PublicKey, readStatement, unhex } from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { IndexState } from '../ledger/contract/state.ts';
import type {
  DeviceView,
  PassportView,
  PersonView,
  ProductView,
  ReleaseView,
  TrialView,
} from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import { type Agreement, type Applies, agreementOf, appliesTo, type Facts } from './applies.ts';
import { openPassport, type Passport, readPassport } from './passport.ts';

export interface DeskParts {
  ledger: LedgerClient;
  blobs: Pick<BlobStore, 'blob'> & Partial<Pick<BlobStore, 'put'>>;
  verifier: Verifier;
}

/**
 * Keeps a document. It is not in force before its digest is in the ledger; only an operator's is kept at all, or anybody
 * with the API's token could fill the disk.
 * @returns SHA-256 of the document
 * @throws Refusal TOO_LARGE, MALFORMED, UNKNOWN_KEY, NOT_PERMITTED, REVOKED, BAD_SIGNATURE, BAD_STATEMENT
 */
export async function takePassport({ ledger, blobs, verifier }: DeskParts, bytes: Uint8Array): Promise<Uint8Array> {
  demand(blobs.put, 'UNSUPPORTED', 'passports are kept by the collection server');
  const { origin } = readPassport(bytes);
  const { head } = await ledger.head();
  demand(origin === head.origin, 'BAD_STATEMENT', `a passport for ledger ${origin}, this is ${head.origin}`);
  openPassport(verifier, bytes, await operatorKey(ledger, verifier, bytes));
  return blobs.put(bytes);
}

async function operatorKey(ledger: LedgerClient, { sha256 }: Verifier, bytes: Uint8Array): Promise<PublicKey> {
  const { kid } = readStatement(bytes, 'passport');
  const people = (await ledger.evaluate('listPeople')) as (PersonView & { alg: number })[];
  for (const { name, alg, publicKey, roles, state } of people) {
    const key = { alg, bytes: unhex(publicKey)! };
    if (!equal(kidOf(sha256, key), kid)) continue;
    demand(roles.includes('operator'), 'NOT_PERMITTED', `a passport needs the role operator; ${name} has not`);
    demand(state === 'active', 'REVOKED', `${name} is ${state}`);
    return key;
  }
  throw new Refusal('UNKNOWN_KEY', `nobody has the key ${hex(kid)}`);
}

/** What the ledger names, and the document that it names. */
export interface HeldPassport {
  view: PassportView;
  document: Uint8Array;
  passport: Passport;
}

/**
 * A device's own passport, else its class's.
 * @throws Refusal NOT_FOUND; BAD_STATEMENT where the document is not the one of this subject and serial
 */
export async function findPassport(parts: DeskParts, kind: 'device' | 'product', id: string): Promise<HeldPassport> {
  const view = await viewOf(parts.ledger, kind, id);
  const document = await parts.blobs.blob(unhex(view.digest)!);
  const passport = readPassport(document);
  checkNamed(passport, view);
  return { view, document, passport };
}

/** The digest binds the bytes; this binds what they say to what the ledger says. @throws Refusal BAD_STATEMENT */
export function checkNamed({ subject, serial }: Passport, view: PassportView): void {
  const named = subject.kind === view.subject && hex(subject.id) === view.id;
  demand(
    named,
    'BAD_STATEMENT',
    `the document is of ${subject.kind} ${hex(subject.id)}, not of ${view.subject} ${view.id}`,
  );
  demand(serial === view.serial, 'BAD_STATEMENT', `the document has serial ${serial}, the ledger ${view.serial}`);
}

async function viewOf(ledger: LedgerClient, kind: 'device' | 'product', id: string): Promise<PassportView> {
  try {
    return (await ledger.evaluate('getPassport', kind, id)) as PassportView;
  } catch (error) {
    if (kind !== 'device' || codeOf(error) !== 'NOT_FOUND') throw error;
    const { classId } = (await ledger.evaluate('getDevice', id)) as DeviceView;
    const shared = await found<PassportView>(ledger.evaluate('getPassport', 'product', classId));
    demand(shared, 'NOT_FOUND', `neither device ${id} nor its product has a passport`);
    return shared;
  }
}

/** @param deviceId left out for a class's passport alone */
export async function applicability(
  { ledger }: DeskParts,
  { passport, view }: HeldPassport,
  deviceId?: string,
): Promise<{ agreement: Agreement; releases: Applies[] }> {
  const device = deviceId === undefined ? undefined : ((await ledger.evaluate('getDevice', deviceId)) as DeviceView);
  const facts: Facts = { ...(await factsOfClass(ledger, view.classId)), passport, device };
  return { agreement: agreementOf(facts), releases: appliesTo(facts) };
}

/** @param tried the release whose trial is looked at; the current one, which alone can apply, where none is named */
export async function factsOfClass(
  ledger: LedgerClient,
  classId: string,
  tried?: string,
): Promise<Omit<Facts, 'passport' | 'device'>> {
  const product = (await ledger.evaluate('getProduct', classId)) as ProductView;
  const leaf = tried ?? product.head;
  const trial = await found<TrialView>(ledger.evaluate('getTrial', leaf));
  return {
    product,
    releases: (await ledger.evaluate('listReleases', classId)) as ReleaseView[],
    trials: new Map(trial ? [[leaf, trial]] : []),
    floor: (await found<IndexState>(ledger.evaluate('getIndexEntry', classId)))?.floor ?? 0,
  };
}

async function found<T>(asked: Promise<unknown>): Promise<T | undefined> {
  try {
    return (await asked) as T;
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
