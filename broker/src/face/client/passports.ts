/** Passports as people handle them: made and signed here, and never believed because a server showed them. */
import { codeOf, demand } from '@countersign/device-sdk';
import { equal, hex, kidOf, readStatement, type Signer, unhex } from '@countersign/device-sdk/format';
import { objectDigest } from '../../ledger/contract/args.ts';
import { passportArgs, readPassportArgs, type Subject, subjectId } from '../../ledger/contract/passport-args.ts';
import type { DeviceView, PassportView, PersonView } from '../../ledger/contract/views.ts';
import type { Agreement, Applies } from '../../passport/applies.ts';
import { checkNamed } from '../../passport/desk.ts';
import { openPassport, type Passport, signPassport } from '../../passport/passport.ts';
import type { CommittedView } from '../api/views.ts';
import { provenEntry } from './proven.ts';
import { getProduct } from './releases.ts';
import { inPath, perform, type Session } from './session.ts';

export type NewPassport = Omit<Passport, 'origin' | 'subject' | 'serial' | 'issuedAt'>;

/** A device id, or the name or class id of a product. @throws Refusal NOT_FOUND */
export async function subjectOf(session: Session, name: string): Promise<Subject> {
  const id = unhex(name);
  if (id?.length === 16) {
    try {
      await session.api.get(`/api/v1/devices/${inPath(name.toLowerCase())}`);
      return { kind: 'device', id };
    } catch (error) {
      if (codeOf(error) !== 'NOT_FOUND') throw error;
    }
  }
  return { kind: 'product', id: unhex((await getProduct(session, name)).classId)! };
}

/** Signs the document, has it kept, and puts its digest on the record: in this order, so that no digest leads nowhere. */
export async function putPassport(
  session: Session,
  signer: Signer,
  subject: Subject,
  content: NewPassport,
): Promise<CommittedView & { serial: number; digest: string }> {
  const { api, verifier, endpoints } = session;
  const serial = ((await currentView(session, subject))?.serial ?? 0) + 1;
  const issuedAt = Math.floor(Date.now() / 1000);
  const whole = { ...content, origin: endpoints.origin, subject, serial, issuedAt };
  const document = await signPassport(verifier.sha256, whole, signer);
  const digest = verifier.sha256(document);
  const kept = (await api.post('/api/v1/passports', document)) as { digest?: unknown };
  demand(kept.digest === hex(digest), 'BAD_STATEMENT', 'not signed: the server kept something else');
  const object = objectDigest(verifier.sha256, 'passport', subjectId(subject));
  const args = passportArgs({ subject, serial, digest });
  const committed = await perform(session, signer, { action: 'passport', object, args });
  return { ...committed, serial, digest: hex(digest) };
}

export interface ShownPassport {
  view: PassportView;
  passport: Passport;
  agreement: Agreement;
  releases: Applies[];
}

/** What the server says, checked: see {@link checkPassport}. */
export async function getPassport(session: Session, { kind, id }: Subject): Promise<ShownPassport> {
  const answer = (await session.api.get(`/api/v1/passports/${kind}/${hex(id)}`)) as PassportView & {
    document: string;
    agreement: Agreement;
    releases: Applies[];
  };
  const { document, agreement, releases, ...view } = answer;
  if (view.subject === kind) demand(view.id === hex(id), 'BAD_STATEMENT', 'the server shows another passport');
  else await checkClass(session, hex(id), view);
  const bytes = unhex(String(document));
  demand(bytes, 'MALFORMED', "the server's answer has no document");
  return { view, passport: await checkPassport(session, view, bytes), agreement, releases };
}

/** A class's passport stands in for a device's of that class alone. */
async function checkClass({ api }: Session, deviceId: string, view: PassportView): Promise<void> {
  const device = (await api.get(`/api/v1/devices/${inPath(deviceId)}`)) as DeviceView;
  const fits = view.subject === 'product' && view.id === device.classId;
  demand(fits, 'BAD_STATEMENT', 'the server shows the passport of another class');
}

/**
 * The document's digest stands in the entry that the view names; its signature is of the person who signed the entry.
 * @throws Refusal BAD_STATEMENT, BAD_SIGNATURE, MALFORMED
 */
export async function checkPassport(session: Session, view: PassportView, document: Uint8Array): Promise<Passport> {
  const { sha256 } = session.verifier;
  const entry = await provenEntry(session, view.previous);
  demand(entry.action === 'passport', 'BAD_STATEMENT', 'the entry that the server names is no passport');
  const said = readPassportArgs(entry.args);
  const same = said.subject.kind === view.subject && hex(said.subject.id) === view.id && said.serial === view.serial;
  demand(same, 'BAD_STATEMENT', 'the entry that the server names is of another passport');
  demand(
    equal(sha256(document), said.digest),
    'BAD_STATEMENT',
    `the document is not the one of serial ${said.serial} in the ledger`,
  );
  const person = (await session.api.get(`/api/v1/people/${inPath(view.by)}`)) as PersonView & { alg: number };
  // Signed before the person's key was replaced: the entry says that it was made then, and by whom.
  const { kid } = readStatement(document, 'passport');
  const keys = [person, ...(person.formerKeys ?? [])].map((key) => ({ alg: key.alg, bytes: unhex(key.publicKey)! }));
  const key = keys.find((one) => equal(kidOf(sha256, one), kid)) ?? keys[0]!;
  const passport = openPassport(session.verifier, document, key);
  checkNamed(passport, view);
  demand(passport.origin === session.endpoints.origin, 'BAD_STATEMENT', `a passport for ledger ${passport.origin}`);
  return passport;
}

async function currentView(session: Session, { kind, id }: Subject): Promise<PassportView | undefined> {
  try {
    const view = (await session.api.get(`/api/v1/passports/${kind}/${hex(id)}`)) as PassportView;
    return view.subject === kind ? view : undefined;
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
