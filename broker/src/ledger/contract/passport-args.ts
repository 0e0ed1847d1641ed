/** A passport on the record: whose, which one in its row, and the digest of the document that is kept elsewhere. */
import { demand } from '@countersign/device-sdk';
import { asArray, asBytes, asUint, concat, HASH_BYTES, ID_BYTES, type Value } from '@countersign/device-sdk/format';

/** One device, or every device of a class that has none of its own. */
export const SUBJECTS = ['device', 'product'] as const;
export type SubjectKind = (typeof SUBJECTS)[number];

export interface Subject {
  kind: SubjectKind;
  /** Device id or class id. */
  id: Uint8Array;
}

export interface PassportRecord {
  subject: Subject;
  /** 1, 2, 3 …: an older passport never takes a newer one's place. */
  serial: number;
  /** SHA-256 of the whole signed document. */
  digest: Uint8Array;
}

export function subjectValue({ kind, id }: Subject): Value {
  return [SUBJECTS.indexOf(kind), id];
}

/** @throws Refusal MALFORMED */
export function readSubject(value: Value | undefined): Subject {
  const [kind, id] = asArray(value, 'subject', 2);
  const known = SUBJECTS[asUint(kind, 'kind of a subject', SUBJECTS.length - 1)]!;
  return { kind: known, id: asBytes(id, 'id', ID_BYTES) };
}

/** What an object digest is over: a device must not take the place of a class that has its id. */
export function subjectId({ kind, id }: Subject): Uint8Array {
  return concat(Uint8Array.of(SUBJECTS.indexOf(kind)), id);
}

export function passportArgs({ subject, serial, digest }: PassportRecord): Value {
  return [subjectValue(subject), serial, digest];
}

/** @throws Refusal MALFORMED */
export function readPassportArgs(args: Value): PassportRecord {
  const [subject, serial, digest] = asArray(args, 'passport', 3);
  const record = {
    subject: readSubject(subject),
    serial: asUint(serial, 'serial'),
    digest: asBytes(digest, 'digest of the document', HASH_BYTES),
  };
  demand(record.serial >= 1, 'MALFORMED', 'serials begin with 1');
  return record;
}
