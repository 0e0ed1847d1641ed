/**
 * Enrolment without a person at the line: a person signs a grant, whose key then enrols new devices of one class. The
 * servers have no part in it: none of their keys can enrol under a grant, and a grant's key can do nothing else.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { checkStatement, equal, kidOf, readClaim, readStatement, type Value } from '@countersign/device-sdk/format';
import { objectDigest } from './args.ts';
import { checkCertified, markCertified } from './authorities.ts';
import { type Call, changed, nameOf, rootOf, type Signatory, stampOf } from './call.ts';
import { storeNewDevice } from './devices.ts';
import type { TransactionEntry } from './entry.ts';
import { type ClaimDevice, type EnrolGrant, readCertifiedArgs, readClaimArgs, readListedArgs } from './grant-args.ts';
import { checkListed, markListed } from './lists.ts';
import { checkNewKey } from './new-key.ts';
import { personWith } from './rights.ts';
import { type GrantState, read, toHex, write } from './state.ts';

/** @throws Refusal NOT_PERMITTED, BAD_STATEMENT, NOT_FOUND, EXISTS, BAD_KEY */
export async function enrolGrant(call: Call, entry: TransactionEntry, by: Signatory, args: EnrolGrant): Promise<void> {
  const classId = toHex(args.classId);
  const operator = personWith(by, ['operator'], 'granting enrolments').about(classId);
  const { sha256 } = call.verifier;
  const grantId = toHex(args.grantId);
  checkObject(call, entry, args.grantId);
  demand(await read(call.stub, 'product', classId), 'NOT_FOUND', `there is no product class ${classId}`);
  demand(!(await read(call.stub, 'grant', grantId)), 'EXISTS', `there is a grant ${grantId}`);
  await checkNewKey(call, args.key);
  const kid = toHex(kidOf(sha256, args.key));
  await write(call.stub, 'key', [kid], { kind: 'grant', id: grantId });
  await write(call.stub, 'grant', [grantId], {
    grantId,
    classId,
    kind: args.kind,
    content: args.content && toHex(args.content),
    publicKey: toHex(args.key.bytes),
    alg: args.key.alg,
    kid,
    devices: args.devices,
    used: 0,
    expires: args.expires,
    state: 'open',
    by: operator.name,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'enrol', operator.name),
  });
  await changed(call, entry, entry.tx.object, 'grant', grantId);
}

/** Nothing is enrolled under it any more; the devices that it enrolled stay. One operator is enough: it takes away. */
export async function revokeGrant(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  { id }: { id: Uint8Array },
): Promise<void> {
  const permit = personWith(by, ['operator'], 'revoking a grant');
  checkObject(call, entry, id);
  const grant = await read(call.stub, 'grant', toHex(id));
  if (!grant) throw new Refusal('NOT_FOUND', `there is no grant ${toHex(id)}`);
  const operator = permit.about(grant.classId);
  demand(grant.state === 'open', 'BAD_STATEMENT', `grant ${grant.grantId} is revoked already`);
  await write(call.stub, 'grant', [grant.grantId], {
    ...grant,
    state: 'revoked',
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'revoke', operator.name),
  });
  await changed(call, entry, entry.tx.object, 'grant', grant.grantId);
}

/**
 * What the key of a grant, or one on its list, may do, and all that it may: enrol one new device that holds its key itself. A device that is
 * known gets no other key this way, whoever has the code.
 * @throws Refusal NOT_PERMITTED, BAD_STATEMENT, CAP_REACHED, EXISTS, BAD_KEY, UNKNOWN_KEY, BAD_SIGNATURE, WRONG_CLASS
 */
export async function claimDevice(call: Call, entry: TransactionEntry, grant: GrantState): Promise<void> {
  demand(entry.tx.action === 'enrol', 'NOT_PERMITTED', 'the key of a grant enrols devices and does nothing else');
  const args = readClaimOf(grant, entry.tx.args);
  const name = `grant ${grant.grantId}`;
  demand(toHex(args.grantId) === grant.grantId, 'BAD_STATEMENT', `this is the key of ${name}`);
  const digest = objectDigest(call.verifier.sha256, 'device', args.id);
  const id = toHex(args.id);
  demand(toHex(entry.tx.object) === toHex(digest), 'BAD_STATEMENT', `the object is not device ${id}`);
  demand(grant.used < grant.devices, 'CAP_REACHED', `${name} was for ${grant.devices} devices, and has enrolled them`);
  demand(!(await read(call.stub, 'device', id)), 'EXISTS', `there is a device ${id}`);
  if (args.what === 'listed') await checkListed(call, grant, args);
  if (args.what === 'certified') await checkCertified(call, grant, args);
  await checkNewKey(call, args.key);
  await checkProof(call, grant, args);
  if (args.what === 'listed') await markListed(call, grant, args);
  if (args.what === 'certified') await markCertified(call, args);
  await write(call.stub, 'grant', [grant.grantId], {
    ...grant,
    used: grant.used + 1,
    ...stampOf(entry, 'enrol', nameOf({ kind: 'grant', grant })),
  });
  await storeNewDevice(call, entry, { kind: 'grant', grant }, grant.classId, args);
}

/** The own key of a list's or an authority's grant signs nothing: those that the list names or the authority certified do. */
function readClaimOf({ kind }: GrantState, args: Value) {
  if (kind === 'list') return readListedArgs(args);
  return kind === 'authority' ? readCertifiedArgs(args) : readClaimArgs(args);
}

/** Otherwise somebody could have another's key enrolled under an id of his choice. */
async function checkProof(
  call: Call,
  { classId }: GrantState,
  { key, proof, id, grantId }: ClaimDevice,
): Promise<void> {
  const { sha256 } = call.verifier;
  const statement = readStatement(proof, 'claim');
  demand(equal(statement.kid, kidOf(sha256, key)), 'UNKNOWN_KEY', 'the proof is not by the key that is enrolled');
  checkStatement(call.verifier, statement, key);
  const said = readClaim(statement.payload);
  const { origin } = await rootOf(call);
  const same = said.origin === origin && equal(said.deviceId, id) && equal(said.grantId, grantId);
  demand(same, 'BAD_STATEMENT', 'the proof is for another ledger, grant or device');
  // A device of one product that was told another's code would be offered images that it cannot run.
  demand(
    toHex(said.classId) === classId,
    'WRONG_CLASS',
    `the grant is for class ${classId}, not ${toHex(said.classId)}`,
  );
}

function checkObject(call: Call, entry: TransactionEntry, grantId: Uint8Array): void {
  const expected = toHex(objectDigest(call.verifier.sha256, 'grant', grantId));
  demand(toHex(entry.tx.object) === expected, 'BAD_STATEMENT', `the object is not grant ${toHex(grantId)}`);
}
