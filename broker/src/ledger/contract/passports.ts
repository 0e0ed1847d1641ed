/** Passports: which document about a device or a class is the newest, and who signed it in. */
import { demand } from '@countersign/device-sdk';
import { objectDigest } from './args.ts';
import { type Call, changed, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { readPassportArgs, subjectId } from './passport-args.ts';
import { personWith } from './rights.ts';
import { read, toHex, write } from './state.ts';

/**
 * The document itself is not seen here: a digest alone is public to everybody who reads the ledger, and what a plant is
 * made of is not.
 * @throws Refusal NOT_PERMITTED, MALFORMED, BAD_STATEMENT, NOT_FOUND, REVOKED, BAD_COUNTER
 */
export async function passport(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['operator'], 'a passport');
  const { subject, serial, digest } = readPassportArgs(entry.tx.args);
  const object = objectDigest(call.verifier.sha256, 'passport', subjectId(subject));
  const id = toHex(subject.id);
  const named = `${subject.kind} ${id}`;
  demand(toHex(entry.tx.object) === toHex(object), 'BAD_STATEMENT', `the object is not the passport of ${named}`);
  const classId = await classOf(call, subject.kind, id);
  const operator = permit.about(classId);
  const before = await read(call.stub, 'passport', subject.kind, id);
  const next = (before?.serial ?? 0) + 1;
  demand(serial === next, 'BAD_COUNTER', `expected passport ${next} of ${named}, got ${serial}`);
  const previous = toHex(entry.leafHash);
  const view = { subject: subject.kind, id, classId, serial, digest: toHex(digest), by: operator.name, previous };
  await write(call.stub, 'passport', [subject.kind, id], { ...view, ...stampOf(entry, 'passport', operator.name) });
  await changed(call, entry, object, 'passport', id);
}

async function classOf(call: Call, kind: 'device' | 'product', id: string): Promise<string> {
  if (kind === 'product') {
    demand(await read(call.stub, 'product', id), 'NOT_FOUND', `there is no product class ${id}`);
    return id;
  }
  const device = await read(call.stub, 'device', id);
  demand(device, 'NOT_FOUND', `there is no device ${id}`);
  demand(device.state === 'enrolled', 'REVOKED', `device ${id} is revoked`);
  return device.classId;
}
