/** Implicit keys: each (identity, point) stands here before its first use; a second point convicts who issued it. */
import { demand, Refusal } from '@countersign/device-sdk';
import {
  checkStatement,
  decode,
  equal,
  implicitKeysOf,
  implicitPublicKey,
  implicitThumbprint,
  kidOf,
  type PublicKey,
  readStatement,
  revokedFrom,
  thumbprint,
} from '@countersign/device-sdk/format';
import { PERSON_ROLES } from './args.ts';
import { type Call, changed, rootOf, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { type IssueKey, identityDigest, readIssueKeyArgs, readPossession } from './issue-key-args.ts';
import { checkNewKid } from './new-key.ts';
import { personWith } from './rights.ts';
import { type IssuedKeyState, read, toHex, write } from './state.ts';

/**
 * The first point of an identity takes an operator or an approver. The second one takes any person: whoever finds it may
 * put it on the record, and it is believed because nobody but the centre can bring one whose key signs.
 * @throws Refusal NOT_PERMITTED, MALFORMED, UNSUPPORTED, BAD_STATEMENT, UNKNOWN_KEY, REVOKED, BAD_KEY, BAD_SIGNATURE,
 * EXISTS, DUPLICATE
 */
export async function issueKey(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const args = readIssueKeyArgs(entry.tx.args);
  const { sha256 } = call.verifier;
  const object = identityDigest(sha256, args.key);
  const id = toHex(object);
  demand(toHex(entry.tx.object) === id, 'BAD_STATEMENT', `the object is not ${nameOf(args)}`);
  const before = await read(call.stub, 'identity', id);
  const person = before
    ? personWith(by, PERSON_ROLES, 'a second point').whoever()
    : personWith(by, ['operator', 'approver'], 'issuing a key').aboutAll();
  const print = toHex(implicitThumbprint(sha256, args.key));
  demand(
    !before?.points.some((point) => point.thumbprint === print),
    'DUPLICATE',
    `${nameOf(args)} stands here already`,
  );
  const centre = await centreOf(call, args);
  if (!before) await demandHonest(call, args);
  const convicts = before?.points.some((point) => point.centre === toHex(args.key.centre)) ?? false;
  if (before) demand(convicts, 'EXISTS', `${nameOf(args)} has a point of another centre: the next epoch is free`);
  if (before) demand(!before.convicted, 'EXISTS', `the centre of ${nameOf(args)} is convicted already`);
  await checkPossession(call, args, centre);
  const point = {
    point: toHex(args.key.point),
    centre: toHex(args.key.centre),
    thumbprint: print,
    by: person.name,
    entry: toHex(entry.leafHash),
    time: Number(call.stub.getTxTimestamp().seconds),
  };
  const { role, name, epoch } = args.key;
  const state: IssuedKeyState = {
    ...{ role, name, epoch, points: [...(before?.points ?? []), point], convicted: convicts },
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'issueKey', person.name),
  };
  await write(call.stub, 'identity', [id], state);
  await write(call.stub, 'issued', [print], { identity: id });
  if (convicts) await write(call.stub, 'convicted', [toHex(args.key.centre)], { identity: id });
  await changed(call, entry, object, 'identity', id);
}

function nameOf({ key }: IssueKey): string {
  return `${key.role} ${key.name}, epoch ${key.epoch}`;
}

/** The centre must be pinned by the trust root in force; one that is revoked or convicted issues nothing more. */
async function centreOf(call: Call, { key }: IssueKey): Promise<PublicKey> {
  const root = await rootOf(call);
  const { sha256 } = call.verifier;
  const centre = implicitKeysOf(sha256, root).centres.find((item) => equal(thumbprint(sha256, item), key.centre));
  if (!centre) throw new Refusal('UNKNOWN_KEY', `trust root ${root.version} pins no such key generation centre`);
  const voidFrom = revokedFrom(sha256, root, centre);
  demand(voidFrom === undefined || call.size < voidFrom, 'REVOKED', `the centre is revoked from log size ${voidFrom}`);
  return centre;
}

async function demandHonest(call: Call, { key }: IssueKey): Promise<void> {
  const convicted = await read(call.stub, 'convicted', toHex(key.centre));
  demand(!convicted, 'REVOKED', 'this centre has issued two points for one identity');
}

/**
 * Any point makes a public key; only one that the centre issued makes one that somebody can sign with (its private key
 * is as hard to find as the centre's own). So a point without this proof convicts nobody.
 */
async function checkPossession(call: Call, { key, possession }: IssueKey, centre: PublicKey): Promise<void> {
  const { verifier } = call;
  const issued = implicitPublicKey(verifier.sha256, key, centre);
  verifier.checkKey(issued.alg, issued.bytes);
  await checkNewKid(call, kidOf(verifier.sha256, issued));
  const statement = readStatement(possession, 'possession');
  demand(equal(statement.kid, kidOf(verifier.sha256, issued)), 'BAD_SIGNATURE', 'the proof names another key');
  checkStatement(verifier, statement, issued);
  readPossession(decode(statement.payload));
}
